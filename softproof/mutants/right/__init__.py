"""Right variants: correct implementations in different legal arithmetics, which no judge may reject.

`sums.py` has the orders of a sum, the other files the formulas of each operation, in NumPy; `catalogue.py` names each
formula in each order as a record, with the assumptions of docs/theory/bounds.md that it needs and its wrong twin.
"""
