"""Drawn faults: wrong implementations that nobody chose, each drawn from a seed, to measure what `verify` sees.

`record` draws, `places` says where in an array a fault is, `steps` and `answers` make a right answer wrong,
`lifetimes` has the faults that no single answer shows, and `tailored` builds a problem for one fault alone.
"""
