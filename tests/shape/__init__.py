"""The system in another shape."""
