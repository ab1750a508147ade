"""Many candidates, graded: a bank of questions whose truth and bounds were worked out before, and a score for each."""
