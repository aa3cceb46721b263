"""The agent with its answers or events tampered with; runs instead of `python -m app`, which knows nothing of it."""
