"""What is wrong with an implementation that disagrees: under which models it would agree, and what to do next.

Nothing here changes a verdict: an answer is asked for once more, and described.
"""
