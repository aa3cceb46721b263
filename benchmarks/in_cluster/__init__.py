"""Programs that run in the benchmarks' own pod, beside those of the suite."""
