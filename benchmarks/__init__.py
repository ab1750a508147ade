"""What times and weighs: the hand-written half, a judgement and a grade."""
