"""What audits the judge, and what it assumes, on a machine: a pack of questions that is run where there is a GPU."""
