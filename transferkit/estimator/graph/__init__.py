"""The graph that a model_fn is traced into, and what is cut out of it."""
