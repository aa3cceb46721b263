"""kubectl without a shell, and errors that come to the point."""

import os
import subprocess

import pytest

from acceptance.harness.errors import EnvironmentNotReadyError, KubectlError
from acceptance.harness.kube.kubectl import Kubectl, finish, gist


def test_arguments_reach_kubectl_as_they_are(kubectl: Kubectl) -> None:
    odd = "jsonpath={.items[?(@.kind=='Pod')].metadata.name} $(reboot); 'quoted'"
    assert kubectl.run("get", "-o", odd).strip() == f"get -o {odd}"


def test_ctrl_c_in_the_terminal_does_not_reach_it(kubectl: Kubectl) -> None:
    assert int(kubectl.run("group")) != os.getpgrp()


def test_a_call_that_fails_says_what_was_asked_and_what_came_back(kubectl: Kubectl) -> None:
    with pytest.raises(KubectlError, match="kubectl get fail: error: as asked"):
        kubectl.run("get", "fail")


@pytest.mark.parametrize(
    ("text", "point"),
    [
        ("error: not found\n", "error: not found"),
        (
            'Traceback (most recent call last):\n  File "x"\nOSError: away\ncommand terminated with exit code 1',
            "OSError: away",
        ),
        ("", ""),
    ],
)
def test_an_error_comes_to_the_point(text: str, point: str) -> None:
    assert gist(text) == point


def test_a_program_that_does_not_end_when_it_is_asked_to_is_told() -> None:
    with subprocess.Popen(["sleep", "60"], stdin=subprocess.PIPE, text=True) as process:
        with pytest.raises(EnvironmentNotReadyError, match=r"went on for 0\.1 s"):
            finish(process, within_s=0.1)
        process.kill()
