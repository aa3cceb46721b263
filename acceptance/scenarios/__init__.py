"""Scenarios: what the system does over restarts, outages and kills."""
