"""Encoded images to pixels: one decoder for training, cache, prediction and export."""
