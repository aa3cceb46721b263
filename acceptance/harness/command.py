"""A question to a program of this machine."""

import subprocess

from acceptance.harness.errors import EnvironmentNotReadyError

ANSWERED_S = 20


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
