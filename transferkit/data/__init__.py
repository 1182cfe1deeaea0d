"""Labelled images: sources, the split ledger, decoding."""
