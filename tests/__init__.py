"""Properties by file, implementations by parametrisation."""
