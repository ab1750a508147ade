"""How far a right answer may lie from the truth: the theorems of docs/theory/bounds.md and the models of arithmetic."""
