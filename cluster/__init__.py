"""The commands behind make: from nothing to a running agent, and back. Standard library only, for there is no .venv yet."""
