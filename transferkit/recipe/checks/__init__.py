"""Whether the values of a recipe are right: each by itself, with each other, and whose code they name."""
