"""Services as people write them, which the agent is compared with: each is one file, and runs in a pod like its own."""
