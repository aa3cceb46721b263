"""Labels are on everything; selectors hold none that may change."""

from .rendering import Overlay, named, of_kind, title, with_pods

PART_OF = ("app.kubernetes.io/part-of", "fastapi-dapr-agent")
RECOMMENDED = {"app.kubernetes.io/name", "app.kubernetes.io/component", "app.kubernetes.io/part-of"}


def test_everything_says_what_it_is_part_of(overlay: Overlay) -> None:
    inner = [(title(m), m["spec"]["template"]["metadata"]) for m in with_pods(overlay.objects)]
    claims = [
        (title(workload), claim["metadata"])
        for workload in of_kind(overlay.objects, "StatefulSet")
        for claim in workload["spec"]["volumeClaimTemplates"]
    ]
    for name, metadata in [(title(m), m["metadata"]) for m in overlay.objects] + inner + claims:
        assert PART_OF in metadata.get("labels", {}).items(), f"{name}: no label {'='.join(PART_OF)} on {metadata}"


def test_workloads_carry_the_recommended_labels(overlay: Overlay) -> None:
    for manifest in of_kind(overlay.objects, "Deployment", "StatefulSet", "Job", "Service", "ServiceAccount"):
        assert manifest["metadata"]["labels"].keys() >= RECOMMENDED, title(manifest)


def test_a_selector_is_the_app_label_alone(overlay: Overlay) -> None:
    for workload in of_kind(overlay.objects, "Deployment", "StatefulSet"):
        selector = workload["spec"]["selector"]["matchLabels"]
        assert selector == {"app": workload["metadata"]["name"]}, title(workload)
        assert named(overlay.objects, "Service", workload["metadata"]["name"])["spec"]["selector"] == selector
