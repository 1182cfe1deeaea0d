"""What a run is to be made of, chosen on folds of its training images before it begins."""
