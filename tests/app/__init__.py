"""The app in process: a stand-in sidecar and broker, a real PostgreSQL."""
