"""The playbook's application, as far as the comparison needs it: with a client, and a connection, for each call."""

import json
import os
from decimal import Decimal
from hashlib import sha256
from typing import Any
from uuid import uuid4

import aiohttp
import asyncpg
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

PUBSUB, TOPIC = "kafka-pubsub", "agent-events"
PUBLISH = f"http://127.0.0.1:3500/v1.0/publish/{PUBSUB}/{TOPIC}"

app = FastAPI()


class Event(BaseModel):
    """What is published."""

    message: str
    metadata: dict[str, Any] = {}


@app.post("/publish")
async def publish(event: Event) -> dict[str, str]:
    """Answer when the sidecar has."""
    about = {"specversion": "1.0", "source": "benchmark", "type": "benchmark", "datacontenttype": "application/json"}
    content = {**about, "id": uuid4().hex, "data": event.model_dump()}
    headers = {"content-type": "application/cloudevents+json"}
    key = event.metadata["key"]
    url = f"{PUBLISH}?metadata.partitionKey={key}"
    async with aiohttp.ClientSession() as session, session.post(url, json=content, headers=headers) as answer:
        answer.raise_for_status()
    return {"status": "published"}


@app.get("/dapr/subscribe")
async def subscriptions() -> list[dict[str, str]]:
    """Tell the sidecar what to deliver, and where."""
    return [{"pubsubname": PUBSUB, "topic": TOPIC, "route": "/subscribe"}] if "SCHEMA" in os.environ else []


@app.get("/ready")
async def ready() -> dict[str, str]:
    """Say yes, as the playbook's does whatever is away."""
    return {"status": "ready"}


@app.post("/subscribe")
async def subscribe(event: dict[str, Any]) -> dict[str, str]:
    """Apply an event; the playbook's answered `processed`, which Dapr does not know and takes for no."""
    names = {"host": "HOST", "port": "PORT", "user": "USER", "password": "PASSWORD", "database": "DATABASE"}
    settings: dict[str, Any] = {name: os.environ[f"POSTGRES_{variable}"] for name, variable in names.items()}
    data, digest = event["data"], sha256(json.dumps(event["data"]).encode()).digest()
    metadata = data["metadata"]
    content = (metadata["key"], data["message"], json.dumps(metadata), Decimal(metadata["amount"]))
    connection = await asyncpg.connect(**settings, server_settings={"search_path": os.environ["SCHEMA"]})
    try:
        known = (event["id"], event["id"], event["source"], False)
        await connection.fetchval(os.environ["STATEMENT"], *known, *content, None, None, digest)
    finally:
        await connection.close()
    return {"status": "SUCCESS"}


if __name__ == "__main__":
    uvicorn.run(app, host="0.0.0.0", port=8000, log_level="warning")  # noqa: S104 - a pod's
