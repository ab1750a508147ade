"""What holds without a truth: behaviour checks and metamorphic relations."""
