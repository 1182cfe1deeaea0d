"""Files that appear whole, are locked, listed with their hashes, and named so that TensorFlow takes them."""
