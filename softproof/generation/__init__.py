"""Which problems are asked: structure is drawn, expanded by a seed, and shrunk."""
