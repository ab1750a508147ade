"""Other people's implementations, made into targets of the judge."""
