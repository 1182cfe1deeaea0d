"""What a model_fn is, and the one that puts backbone, head, freezing and schedule together."""
