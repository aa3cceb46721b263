"""What knows the agent: its names, its backends, its tables, what is sent to it."""
