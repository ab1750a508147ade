"""What is right, in arbitrary precision, with its own certified uncertainty."""
