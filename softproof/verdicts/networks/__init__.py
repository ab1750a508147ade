"""A small network with its loss: a forward and a backward pass of your own, held against the exact chain rule."""
