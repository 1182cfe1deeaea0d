"""Predictions from an export: of files and folders, through the fastest engine."""
