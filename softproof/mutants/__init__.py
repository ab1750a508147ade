"""The judge on trial: implementations that are wrong in known ways, and a right one beside them.

`correct.py` has the operations in steps that a mutant replaces; each further file holds the mutants of one kind, each
with its story and public source; `catalogue.py` lists all of them, and what is not covered. Torch is needed.
"""
