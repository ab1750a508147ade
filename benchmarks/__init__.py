"""Time and memory of the hand-written half beside SciPy and torch: python -m benchmarks.bench."""
