"""Pretrained weights: where they lie, whether they fit, how each kind of file is read."""
