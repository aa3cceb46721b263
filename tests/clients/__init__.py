"""Real clients of other languages: each is to be served by an agent that runs as in its container."""
