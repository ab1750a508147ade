"""What judges the judge: false alarms, wrong truths, garbage, drawn faults, stubs in its place; a pack for a GPU."""
