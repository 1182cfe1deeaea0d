"""``python -m transferkit``."""

from transferkit.cli import command

command()
