"""kubectl as an argument list, on one kubeconfig and context."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from acceptance.harness.errors import EnvironmentNotReadyError, KubectlError

ANSWERED_S = 20


@dataclass(frozen=True)
class Kubectl:
    """Runs kubectl against one cluster, never through a shell."""

    kubeconfig: Path
    context: str

    def command(self, *arguments: str) -> list[str]:
        """The whole argument list of a call."""
        binary = shutil.which("kubectl")
        if not binary:
            raise EnvironmentNotReadyError("kubectl is not on PATH")
        return [binary, f"--kubeconfig={self.kubeconfig}", f"--context={self.context}", *arguments]

    def run(self, *arguments: str, stdin: str | None = None, timeout_s: float = 30) -> str:
        """What kubectl printed. Raises KubectlError when it fails or takes longer than `timeout_s`."""
        return self._run(*arguments, stdin=stdin, timeout_s=timeout_s)

    def _run(self, *arguments: str, stdin: str | None = None, timeout_s: float, fine: tuple[int, ...] = (0,)) -> str:
        try:
            # In a group of its own Ctrl-C does not reach it: an undo goes on.
            done = subprocess.run(
                self.command(*arguments),
                input=stdin,
                capture_output=True,
                text=True,
                timeout=timeout_s,
                check=False,
                process_group=0,
            )
        except subprocess.TimeoutExpired as error:
            said = f"; it said {gist(error.stderr.decode(errors='replace'))}" if error.stderr else ""
            raise KubectlError(f"kubectl {' '.join(arguments[:6])}: no answer within {timeout_s} s{said}") from error
        if done.returncode not in fine:
            raise KubectlError(f"kubectl {' '.join(arguments[:6])}: {gist(done.stderr) or gist(done.stdout)}")
        return done.stdout

    def diff(self, *arguments: str, timeout_s: float = 30) -> str:
        """What `kubectl diff` found, empty when nothing differs. Raises KubectlError when it could not look."""
        return self._run("diff", *arguments, timeout_s=timeout_s, fine=(0, 1))

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """A kubectl that stays; its errors come on the same pipe. It dies with this run, also by SIGKILL."""
        command = self.command(*arguments)
        if setpriv := shutil.which("setpriv"):
            command = [setpriv, "--pdeathsig", "TERM", *command]
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            bufsize=1,
        )


def finish(process: subprocess.Popen[str], within_s: float) -> None:
    """Close a program's stdin and let it end by itself. Raises EnvironmentNotReadyError when it does not in time."""
    if process.stdin:
        process.stdin.close()
    try:
        process.wait(within_s)
    except subprocess.TimeoutExpired as error:
        raise EnvironmentNotReadyError(f"a program that was asked to end went on for {within_s:g} s") from error


def gist(text: str) -> str:
    """What an error output comes down to: of a program's traceback its last line."""
    lines = [line for line in text.strip().splitlines() if not line.startswith("command terminated")]
    return lines[-1] if any(line.startswith("Traceback") for line in lines) else "\n".join(lines)


def output(*command: str) -> str:
    """What a program printed. Raises EnvironmentNotReadyError when it is missing, fails or takes too long."""
    told = " ".join(command[:3])
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=ANSWERED_S).stdout
    except FileNotFoundError as error:
        raise EnvironmentNotReadyError(f"{command[0]} is not on PATH") from error
    except subprocess.CalledProcessError as error:
        raise EnvironmentNotReadyError(f"{told}: {error.stderr.strip()}") from error
    except subprocess.TimeoutExpired as error:
        raise EnvironmentNotReadyError(f"{told}: no answer within {ANSWERED_S} s") from error
