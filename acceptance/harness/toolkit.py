"""What tests of a service import: the words of a criterion and of a fault."""

from acceptance.harness.errors import HopelessError, NotApplicableError, NotYetError, UnmetError, expect
from acceptance.harness.faults.faults import Faults
from acceptance.harness.kube.cluster import Cluster
from acceptance.harness.kube.objects import Target
from acceptance.harness.kube.workload import require_ready
from acceptance.harness.probes.api import Api
from acceptance.harness.probes.reach import Reach
from acceptance.harness.suite.catalogue import Entry, proves
from acceptance.harness.suite.judge import Judge
from acceptance.harness.suite.numbers import count, most, slowest, took
from acceptance.harness.waiting import Waiting
from acceptance.harness.watching.timeline import Timeline

__all__ = [
    "Api",
    "Cluster",
    "Entry",
    "Faults",
    "HopelessError",
    "Judge",
    "NotApplicableError",
    "NotYetError",
    "Reach",
    "Target",
    "Timeline",
    "UnmetError",
    "Waiting",
    "count",
    "expect",
    "most",
    "proves",
    "require_ready",
    "slowest",
    "took",
]
