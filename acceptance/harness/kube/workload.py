"""Whether a workload is ready, what is missing if not, and when waiting cannot help."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from acceptance.harness.errors import HopelessError, KubectlError, NotYetError
from acceptance.harness.kube.cluster import Cluster
from acceptance.harness.kube.objects import Container, Pod, Workload

PULL_FAILURES = {"ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName"}
NOT_SYNCED = "failed to sync"
"""What a busy kubelet says of a Secret or ConfigMap that it has not read yet; it tries again."""
CONFIG_FAILURES = {"CreateContainerConfigError", "CreateContainerError", "RunContainerError"}
# kubelet restarts at once the first time; a loop is more than that.
LOOP_RESTARTS = 2
# An event stays for an hour; a controller that is refused goes on trying.
RECENT_S = 60
FORBIDDEN = "is forbidden"
# name.namespace
SERVICE_LABELS = 2


def find(cluster: Cluster, namespace: str, name: str) -> Workload:
    """A Deployment or StatefulSet by name. Raises NotYetError while it does not exist."""
    found = [workload for workload in cluster.workloads(namespace) if workload.name == name]
    if not found:
        raise NotYetError(f"{namespace} has no Deployment or StatefulSet {name}")
    return found[0]


def behind(cluster: Cluster, namespace: str, host: str) -> Workload | None:
    """The Deployment or StatefulSet that a host name leads to from a namespace; None for one outside the cluster.

    A host is a Service, by any of the names that the cluster's DNS has for it, or a pod of a headless one.
    """
    labels = host.split(".")
    in_dns = labels[: labels.index("svc")] if "svc" in labels else labels
    if not in_dns or ("svc" not in labels and len(labels) > SERVICE_LABELS):
        return None
    service, where = in_dns[-SERVICE_LABELS:] if len(in_dns) > 1 else (in_dns[0], namespace)
    selector = cluster.selector(where, service)
    found = [one for one in cluster.workloads(where) if selector and selector.items() <= one.pod_labels.items()]
    return found[0] if found else None


def serving_pod(cluster: Cluster, namespace: str, name: str) -> Pod:
    """The pod of a workload to talk to: a ready one, else the newest. Raises NotYetError when there is none."""
    pods = [pod for pod in cluster.pods(namespace, find(cluster, namespace, name).selector) if not pod.leaving]
    if not pods:
        raise NotYetError(f"{namespace}/{name} has no pod")
    return next((pod for pod in pods if pod.ready), pods[-1])


def require_ready(cluster: Cluster, namespace: str, name: str) -> Workload:
    """The workload, when all that is wanted of it is updated and ready.

    Raises NotYetError saying what is missing now, HopelessError saying why waiting cannot help.
    """
    workload = find(cluster, namespace, name)
    pods = [pod for pod in cluster.pods(namespace, workload.selector) if not pod.leaving]
    for pod in pods:
        require_hope(cluster, pod)
    if not workload.current:
        raise NotYetError(f"{workload.reference}: its controller has not seen the last change yet")
    if not pods and workload.desired:
        require_admission(cluster, workload)
    missing = [text for pod in pods if (text := missing_in(pod))]
    if workload.desired == 0 or workload.ready < workload.desired or workload.updated < workload.desired or missing:
        raise NotYetError(
            f"{workload.reference}: {workload.ready}/{workload.desired} replicas ready, {workload.updated} updated"
            + "".join(f"; {text}" for text in missing)
        )
    return workload


def missing_in(pod: Pod) -> str:
    """What a pod still lacks, in a few words; empty for a ready one."""
    if pod.leaving:
        return f"{pod.name} is terminating"
    if pod.blocked:
        return f"{pod.name} cannot be scheduled: {pod.blocked}"
    containers = pod.containers.values()
    if pod.ready and all(one.ready for one in containers):
        return ""
    ready = sum(one.ready for one in containers)
    waiting = ", ".join(f"{one.name}: {one.waiting or 'not ready'}" for one in containers if not one.ready)
    return f"{pod.name}: {ready}/{len(containers)} containers ready; {waiting or 'pod condition Ready is false'}"


def require_hope(cluster: Cluster, pod: Pod) -> None:
    """Raise HopelessError when a pod cannot become ready by itself; an image that is not there is a wrong name too."""
    if pod.annotations.get("dapr.io/enabled") == "true" and pod.containers and "daprd" not in pod.containers:
        raise HopelessError(f"{pod.name}: sidecar not injected although dapr.io/enabled is true")
    for container in pod.containers.values():
        for reasons, describe in _HOPELESS:
            if container.waiting in reasons:
                raise HopelessError(f"{pod.name}: {describe(cluster, pod, container)}")


def require_admission(cluster: Cluster, workload: Workload) -> None:
    """Raise HopelessError when the API server has just refused the workload's pods (quota, Pod Security).

    Raises NotYetError when it could not say, as while the sidecar's injector starts.
    """
    events = cluster.core.list_namespaced_event(
        workload.namespace, field_selector="reason=FailedCreate", _request_timeout=10
    ).items
    since = datetime.now(UTC) - timedelta(seconds=RECENT_S)
    refused = [
        event.message or ""
        for event in events
        if (event.involved_object.name or "").startswith(workload.name)
        and (at := event.last_timestamp or event.event_time)
        and at >= since
    ]
    if refused:
        error = HopelessError if FORBIDDEN in refused[-1] else NotYetError
        raise error(f"{workload.reference}: pods are refused: {refused[-1]}")


def first_missing(cluster: Cluster, namespace: str) -> str:
    """What keeps the workloads of a namespace from being ready, in words; empty when nothing does."""
    for workload in cluster.workloads(namespace):
        try:
            require_ready(cluster, namespace, workload.name)
        except (HopelessError, NotYetError) as error:
            return str(error)
    return ""


def last_log_line(cluster: Cluster, pod: Pod, container: str) -> str:
    """The last line a container wrote before it ended, or why there is none."""
    try:
        text = cluster.kubectl.run("-n", pod.namespace, "logs", pod.name, "-c", container, "--previous", "--tail=1")
    except KubectlError as error:
        return f"no log: {error}"
    return text.strip() or "no log"


def _not_pulled(_cluster: Cluster, _pod: Pod, container: Container) -> str:
    return f"{container.name}: image {container.image} cannot be pulled: {container.waiting}"


def _not_created(_cluster: Cluster, pod: Pod, container: Container) -> str:
    if NOT_SYNCED in container.message:
        raise NotYetError(f"{pod.name}: {container.name}: {container.message}")
    return f"{container.name}: {container.waiting}: {container.message}"


def _crash_loop(cluster: Cluster, pod: Pod, container: Container) -> str:
    if container.restarts < LOOP_RESTARTS:
        raise NotYetError(f"{pod.name}: {container.name} ended once and is started again")
    line = last_log_line(cluster, pod, container.name)
    return f"{container.name}: crash loop, {container.restarts} restarts; last line: {line}"


_HOPELESS: tuple[tuple[set[str], Callable[[Cluster, Pod, Container], str]], ...] = (
    (PULL_FAILURES, _not_pulled),
    (CONFIG_FAILURES, _not_created),
    ({"CrashLoopBackOff"}, _crash_loop),
)
