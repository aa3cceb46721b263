"""Tests of the acceptance harness that need no cluster."""
