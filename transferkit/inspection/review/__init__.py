"""A page on this machine alone, to go through what is doubtful in the data of a run."""
