"""A candidate's process is started, limited and ended here. docs/guides/isolation.md tells what each protection stops.

`launcher` is the judge's end. It starts `supervisor`, a process of ours that starts the worker and outlives it. Before
the worker runs, `confinement` takes from it what it does not need. Only the standard library is imported here.
"""
