"""A softmax that is right where this module was not imported before."""

from manual import softmax as softmax
