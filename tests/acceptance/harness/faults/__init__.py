"""What is broken, and undone."""
