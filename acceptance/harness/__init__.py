"""What the criteria and scenarios stand on; it reads the cluster and the agent's HTTP interface, nothing else."""
