"""Comparisons of cost and speed, run by hand; absolute figures belong to the machine, ratios are what counts."""
