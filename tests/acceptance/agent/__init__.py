"""What knows this system."""
