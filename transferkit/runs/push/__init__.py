"""Putting an export where others find it: Hugging Face's hub, Kaggle's models."""
