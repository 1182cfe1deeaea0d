"""What one asks beside a run: its plan, its learning rates, its augmentation, the soundness of its data."""
