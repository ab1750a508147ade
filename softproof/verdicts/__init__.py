"""Truth and bound against an answer, element by element."""
