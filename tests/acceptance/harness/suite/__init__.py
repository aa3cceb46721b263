"""A run, its options and its reports."""
