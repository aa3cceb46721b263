"""The Dapr sidecar: its API, who it is, what it subscribes to, and when it is restarted."""
