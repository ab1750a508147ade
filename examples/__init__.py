"""Examples: real data through both halves, every step judged."""
