"""Features as a product: what a network sees in photos, for other programs and to find what is alike."""
