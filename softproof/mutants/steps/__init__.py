"""Right operations in steps, one file for each home; a mutant replaces one of them."""
