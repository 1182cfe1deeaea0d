"""The frozen prefix run once on each distinct image, and its outputs kept."""
