"""Known bugs written anew, in NumPy, by other formulas, and with no code of the catalogue."""
