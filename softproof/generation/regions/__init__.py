"""The regions of a question, one file for each kind; `coverage` says which operation has which."""
