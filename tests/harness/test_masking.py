"""Secrets never reach a file or the terminal."""

import pytest

from acceptance.harness.masking import Masking


@pytest.mark.parametrize(
    "text",
    [
        "POSTGRES_PASSWORD: hunter2",
        "postgres://user@host password=hunter2 sslmode=disable",
        '{"password": "hunter2"}',
        "Authorization: hunter2",
        "the value hunter2 somewhere",
    ],
)
def test_a_secret_is_masked_wherever_it_stands(text: str) -> None:
    masking = Masking()
    masking.hide("hunter2")
    assert "hunter2" not in masking.mask(text)


def test_a_secret_is_masked_by_its_name_alone() -> None:
    assert Masking().mask("password=unknown-to-us") == "password=*****"


def test_everything_else_is_left_as_it_is() -> None:
    text = '{"message": "Received event", "key": "a"}'
    assert Masking().mask(text) == text
