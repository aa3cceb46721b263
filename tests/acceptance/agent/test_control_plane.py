"""A part of the control plane that is gone is told, one that is not used is not missed."""

import pytest

from acceptance.agent.control_plane import REQUIRED, absent

PLACEMENT = "dapr-placement-server"
SCHEDULER = "dapr-scheduler-server"
TOLD = ["--placement-host-address", f"{PLACEMENT}.dapr-system.svc.cluster.local:50005"]
OF_THREE = ",".join(f" {SCHEDULER}-{one}.dapr-system.svc:50006" for one in "abc")


@pytest.mark.parametrize(
    ("workloads", "arguments", "gone"),
    [
        (REQUIRED, [], []),
        (REQUIRED, ["--scheduler-host-address", "", "--mode", "kubernetes"], []),
        (REQUIRED, ["--scheduler-host-address"], []),
        (REQUIRED[1:], [], ["dapr-operator"]),
        ((), [], sorted(REQUIRED)),
        (REQUIRED, TOLD, [PLACEMENT]),
        (REQUIRED, ["=".join(TOLD)], [PLACEMENT]),
        ((*REQUIRED, PLACEMENT), TOLD, []),
        ((*REQUIRED, f"{PLACEMENT}-of-old"), TOLD, [PLACEMENT]),
        ((*REQUIRED, SCHEDULER), ["--scheduler-host-address", OF_THREE], []),
        (REQUIRED, ["--scheduler-host-address", OF_THREE], [f"{SCHEDULER}-{one}" for one in "abc"]),
        (REQUIRED, ["--placement-host-address", f"{PLACEMENT}:50005"], [PLACEMENT]),
    ],
)
def test_what_a_sidecar_is_told_to_use_has_to_exist(
    workloads: tuple[str, ...], arguments: list[str], gone: list[str]
) -> None:
    assert absent(workloads, arguments) == gone
