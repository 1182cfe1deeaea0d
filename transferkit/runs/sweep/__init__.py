"""Sweeps: many trials over one data pass and one cache of activations; the best of them becomes the run."""

from __future__ import annotations

from transferkit.runs.sweep.trials import Results, read_results

__all__ = ["Results", "read_results"]
