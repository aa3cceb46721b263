"""The agent's OpenAPI document, and the routes that it names."""

from pydantic import SecretStr

from acceptance.agent.inputs.request import routes_of
from app.config import Settings
from app.main import create_app

DOCUMENT = create_app(
    Settings(
        app_api_token=SecretStr("token"),
        postgres_host="database",
        postgres_user="user",
        postgres_password=SecretStr("secret"),
        postgres_database="db",
        kafka_brokers="b:1",
    )
).openapi()
ROUTES = routes_of(DOCUMENT)
