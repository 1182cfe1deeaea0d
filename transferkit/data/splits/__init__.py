"""Which image is in which split: by content, groups kept together, small classes in every split."""
