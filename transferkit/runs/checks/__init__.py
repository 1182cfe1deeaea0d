"""What is refused before a run starts, and before it goes on."""
