"""What needs no cluster."""
