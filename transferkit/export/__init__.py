"""Exports: what a run hands over, and the proof that it answers as the evaluated model did."""
