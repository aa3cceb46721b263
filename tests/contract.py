"""`python -m tests.contract`: writes what other teams build on into docs/, made from the code.

event.schema.json is the JSON Schema of what the agent applies, asyncapi.yaml has both topics.
"""

import json
from pathlib import Path
from typing import Any

import yaml

from app import SERVICE, __version__
from app.dead_letters.letter import DeadLetter
from app.event.data import DEAD_LETTER_TYPE
from app.event.envelope import Envelope
from app.event.values import MAX_DEPTH, MAX_NUMBER, TEXT
from app.sidecar.api import DEAD_LETTER_TOPIC, TOPIC

DOCS = Path(__file__).resolve().parent.parent / "docs"
SCHEMA = "event.schema.json"
DIALECT = "https://json-schema.org/draft/2020-12/schema"
UNSAID = f"""{Envelope.__doc__}

What a JSON Schema cannot say: text has no lone surrogates; metadata is nested at most {MAX_DEPTH} levels deep; of a
member that is there twice the last one counts; a fraction makes a number a double, an integer of more than 4,300
digits is not read; what is in data_base64 is as contentSchema says."""
ANY_JSON: dict[str, Any] = {
    "anyOf": [
        {"type": ["null", "boolean"]},
        {"type": "number", "minimum": -MAX_NUMBER, "maximum": MAX_NUMBER},
        {"type": "string", "pattern": TEXT},
        {"type": "array", "items": {"$ref": "#/$defs/Json"}},
        {
            "type": "object",
            "propertyNames": {"pattern": TEXT},
            "additionalProperties": {"$ref": "#/$defs/Json"},
        },
    ]
}


class _Indented(yaml.SafeDumper):
    """Lists stand further in than what they belong to, as everywhere in this repository."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002 - PyYAML's
        super().increase_indent(flow, indentless=False)


def event_schema() -> dict[str, Any]:
    """The JSON Schema of an event as the agent takes it."""
    schema = Envelope.model_json_schema()
    schema["$defs"]["Metadata"] |= {
        "propertyNames": {"pattern": TEXT},
        "additionalProperties": {"$ref": "#/$defs/Json"},
    }
    schema["$defs"]["Json"] = ANY_JSON
    # pydantic would look for what it refers to
    schema["properties"]["data_base64"]["anyOf"][0]["contentSchema"] = {"$ref": "#/$defs/EventData"}
    one_of = [_given("data", "object"), _given("data_base64", "string")]
    return {"$schema": DIALECT, **schema, "oneOf": one_of, "title": "Event", "description": UNSAID}


def asyncapi() -> dict[str, Any]:
    """The AsyncAPI document of both topics."""
    letter = DeadLetter.model_json_schema()
    letter["oneOf"] = [_given("original_base64", "string"), _given("size", "integer")]
    letter["properties"]["first_failed_at"] = {"type": "string", "format": "date-time"}
    key = {"type": "string", "description": "metadata.key: events of one key keep their order"}
    return {
        "asyncapi": "3.0.0",
        "info": {"title": SERVICE, "version": __version__, "description": "Made by `python -m tests.contract`."},
        "defaultContentType": "application/cloudevents+json",
        "channels": {
            "events": {
                "address": TOPIC,
                "description": "Whoever writes here has its events applied; events.md says what becomes of others.",
                "messages": {
                    "event": {
                        "summary": "A structured CloudEvent, told from others by source and id; no header says so",
                        "payload": _payload({"$ref": f"./{SCHEMA}"}),
                        "bindings": {"kafka": {"key": key}},
                    }
                },
            },
            "deadLetters": {
                "address": DEAD_LETTER_TOPIC,
                "description": "What the agent could not apply, and why.",
                "messages": {
                    "deadLetter": {
                        "summary": "A structured CloudEvent of the agent's; its data names the original",
                        "payload": _payload(_letter(letter)),
                    }
                },
            },
        },
        "operations": {
            "applyEvent": _operation("receive", "events"),
            "publishEvent": _operation("send", "events"),
            "giveUpEvent": _operation("send", "deadLetters"),
            "recordDeadLetter": _operation("receive", "deadLetters"),
        },
    }


def written() -> dict[Path, str]:
    """The documents, by where they are."""
    return {
        DOCS / SCHEMA: json.dumps(event_schema(), indent=2) + "\n",
        DOCS / "asyncapi.yaml": yaml.dump(asyncapi(), Dumper=_Indented, sort_keys=False, width=110),
    }


def _given(member: str, kind: str) -> dict[str, Any]:
    return {"required": [member], "properties": {member: {"type": kind}}}


def _letter(data: dict[str, Any]) -> dict[str, Any]:
    said = {"specversion": "1.0", "source": SERVICE, "type": DEAD_LETTER_TYPE, "datacontenttype": "application/json"}
    properties = {name: {"const": value} for name, value in said.items()}
    properties |= {"id": {"type": "string"}, "time": {"type": "string", "format": "date-time"}, "data": data}
    trace = {name: {"type": "string"} for name in ("traceparent", "tracestate")}
    return {"type": "object", "required": list(properties), "properties": properties | trace}


def _payload(schema: dict[str, Any]) -> dict[str, Any]:
    return {"schemaFormat": "application/schema+json;version=draft-2020-12", "schema": schema}


def _operation(action: str, channel: str) -> dict[str, Any]:
    return {"action": action, "channel": {"$ref": f"#/channels/{channel}"}}


if __name__ == "__main__":
    for path, text in written().items():
        path.write_text(text)
