"""Writes SavedModels of an Estimator: of one serving graph, or of a graph for each of several modes."""
