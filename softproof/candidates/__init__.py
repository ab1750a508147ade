"""Who is asked: loading a target, its process and what protects the judge from it, the protocol between the two.

`candidate.py` is what is known of it, `capabilities.py` what it can do, `functions.py` and `task.py` how it is called,
`telling.py` its side of an answer, and `isolated.py` a candidate in a process of its own.
"""
