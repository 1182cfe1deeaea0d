"""Checkpoints: when they are written, how, and how values are read back."""
