"""A run's head fitted again from the features that it keeps: with more photos and classes, or with fewer."""
