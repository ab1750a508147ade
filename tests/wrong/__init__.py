"""Wrong implementations that the tests put before the judge."""
