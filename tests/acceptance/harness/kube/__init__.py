"""The cluster, as the suite reads and reaches it."""
