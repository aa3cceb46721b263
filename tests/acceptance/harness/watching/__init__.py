"""What is seen over time."""
