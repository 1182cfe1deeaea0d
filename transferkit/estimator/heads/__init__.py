"""Heads: from logits and labels to loss, metrics, predictions and export outputs, over any model."""
