"""Programs that the suite runs inside the cluster, with the standard library and what the agent's image carries."""
