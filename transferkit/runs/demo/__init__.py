"""The photographs that a demonstration is run on."""
