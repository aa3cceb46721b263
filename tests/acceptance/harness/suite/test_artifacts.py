"""Secrets never reach a file or the terminal."""

import pytest

from acceptance.harness.suite.artifacts import Masking


@pytest.mark.parametrize(
    "text",
    [
        "POSTGRES_PASSWORD: hunter2",
        "postgres://user@host password=hunter2 sslmode=disable",
        '{"password": "hunter2"}',
        "Authorization: hunter2",
        "the value hunter2 somewhere",
        "dapr-api-token: hunter2",
        "Headers([('dapr-api-token', 'hunter2')])",
        "[(b'dapr-api-token', b'hunter2')]",
        "APP_API_TOKEN=hunter2 DAPR_API_TOKEN=hunter2",
    ],
)
def test_a_secret_is_masked_wherever_it_stands(text: str) -> None:
    masking = Masking()
    masking.hide("hunter2")
    assert "hunter2" not in masking.mask(text)


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("password=unknown", "password=*****"),
        ("Authorization: Bearer unknown", "Authorization: Bearer *****"),
        ("Dapr-Api-Token: unknown", "Dapr-Api-Token: *****"),
        ("- name: APP_API_TOKEN\n  value: unknown\n", "- name: APP_API_TOKEN\n  value: *****\n"),
        ("DAPR_API_TOKEN=unknown x", "DAPR_API_TOKEN=***** x"),
        ('{"password": "un, kn}own", "key": "a"}', '{"password": "*****", "key": "a"}'),
        ('the beginning of {"password": "unkno', 'the beginning of {"password": "*****'),
        (r"{\"token\":\"unknown\",\"key\":\"a\"}", r"{\"token\":\"*****\",\"key\":\"a\"}"),
        ("- name: DB_PASSWORD\n  value: unknown\n- name: B", "- name: DB_PASSWORD\n  value: *****\n- name: B"),
        ('- name: "DB_PASSWORD"\n  value: "un known"\n', '- name: "DB_PASSWORD"\n  value: "*****"\n'),
        ('{"name":"DB_PASSWORD","value":"unknown"}', '{"name":"DB_PASSWORD","value":"*****"}'),
        (r"{\"name\":\"DB_PASSWORD\",\"value\":\"unknown\"}", r"{\"name\":\"DB_PASSWORD\",\"value\":\"*****\"}"),
        ("postgresql://agent:unknown@host:5432/db", "postgresql://agent:*****@host:5432/db"),
        ("redis://:unkn@own@host", "redis://:*****@host"),
    ],
)
def test_a_secret_is_masked_by_its_name_or_its_place_alone(text: str, masked: str) -> None:
    assert Masking().mask(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        '{"message": "Received event", "key": "a"}',
        "volumes:\n- secret:\n    secretName: postgres-credentials\n",
        "- name: POSTGRES_PASSWORD\n  valueFrom:\n    secretKeyRef:\n      key: password\n      name: a\n",
        "http://127.0.0.1:8000/state/a@b",
    ],
)
def test_everything_else_is_left_as_it_is(text: str) -> None:
    assert Masking().mask(text) == text
