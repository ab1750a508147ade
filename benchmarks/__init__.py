"""How fast the hand-written half is and how much memory it takes, beside SciPy and torch: python -m benchmarks.bench."""
