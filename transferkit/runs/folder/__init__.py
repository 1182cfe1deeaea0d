"""A run's folder: it appears whole, says what it was made from, and is found again after a move."""
