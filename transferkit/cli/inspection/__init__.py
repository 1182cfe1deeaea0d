"""Verbs for what one asks beside a run: of data, backbones, recipes, rates, the machine."""
