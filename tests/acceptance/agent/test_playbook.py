"""What is typed is run by a shell on the run's cluster, and its output is held to what it has to show."""

import pytest

from acceptance.agent import playbook
from acceptance.agent.playbook import Command
from acceptance.harness.errors import NotYetError
from acceptance.harness.kube.kubectl import Kubectl

OUTPUT = '{"status": "ok", "version": "PostgreSQL 17"}'


@pytest.mark.parametrize(
    ("command", "output", "missing"),
    [
        (Command("a", shows=("PostgreSQL",), json={"status": "ok"}), OUTPUT, ""),
        (Command("a", shows=("^MySQL",)), OUTPUT, "nothing like '^MySQL'"),
        (Command("a", json={"status": "no"}), OUTPUT, "status is not 'no'"),
        (Command("a", json={}), "no JSON", "no JSON object"),
        (Command("a", json={}), "[1]", "no JSON object"),
        (Command("a", every="Running"), "NAME STATUS\na Running\nb Running\n", ""),
        (
            Command("a", every="Running"),
            "NAME STATUS\na Running\nb Pending\n",
            "a line that is not 'Running': b Pending",
        ),
    ],
)
def test_an_output_is_held_to_what_it_has_to_show(command: Command, output: str, missing: str) -> None:
    assert command.missing(output) == missing


def test_what_is_replaced_is_run_only_where_something_is_said_of_it() -> None:
    assert Command("dapr init", instead="make up").run == ""
    assert Command("curl", instead="python", json={}).run == "python"
    assert all(one.run or one.why for one in playbook.load() if not one.stays)


def test_its_kubectl_is_on_the_runs_cluster(kubectl: Kubectl) -> None:
    with playbook.shell(kubectl) as shell:
        assert shell.run("kubectl get pods | tr a-z A-Z") == "GET PODS\n"
        with pytest.raises(NotYetError, match="it ended with 1: error: as asked"):
            shell.run("kubectl fail | cat")


def test_what_comes_after_a_port_forward_goes_to_the_port_that_it_got(kubectl: Kubectl) -> None:
    with playbook.shell(kubectl) as shell:
        with playbook.staying(kubectl, "kubectl port-forward svc/a 8000:80") as (typed, here):
            shell.ports[typed] = here
            assert shell.run("curl --silent --noproxy '*' localhost:8000/") == "pod"
        with pytest.raises(NotYetError, match="error: pods absent not found"):
            playbook.staying(kubectl, "kubectl port-forward pod/absent 8000:80").__enter__()
