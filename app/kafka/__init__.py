"""Kafka, asked directly beside the sidecar: the brokers, the sidecar's group, and the log."""
