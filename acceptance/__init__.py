"""Acceptance suite: the nine criteria and the scenarios, proven on a running cluster."""
