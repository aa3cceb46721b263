"""What is broken, and how it is undone in any case."""
