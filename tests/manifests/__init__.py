"""The manifests as kubectl renders them, checked without a cluster."""
