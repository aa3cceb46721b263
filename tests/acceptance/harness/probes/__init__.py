"""What is asked of the system."""
