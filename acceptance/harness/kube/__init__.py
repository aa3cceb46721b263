"""Kubernetes, through its API and through kubectl."""
