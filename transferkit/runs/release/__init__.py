"""From a trained network to a published export: its files, their check, their number."""
