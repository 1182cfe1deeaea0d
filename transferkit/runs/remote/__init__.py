"""Runs, exports and features at a URL: worked on in a local folder, published whole, read by their sums."""
