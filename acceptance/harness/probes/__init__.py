"""What asks: HTTP through port-forwards, and programs inside the cluster."""
