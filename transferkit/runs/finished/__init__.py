"""A finished run: read, evaluated again, exported again, explained."""
