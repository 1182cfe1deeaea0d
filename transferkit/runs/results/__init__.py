"""What a run leaves to be read: its figures, its report, and what qualifies them."""
