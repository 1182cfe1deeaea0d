"""Several processes, on one machine or many, that carry out one job in step."""
