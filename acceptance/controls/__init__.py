"""Negative controls: systems broken on purpose, to show that the suite can fail."""
