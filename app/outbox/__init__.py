"""The outbox: events that wait in PostgreSQL until Kafka takes them."""
