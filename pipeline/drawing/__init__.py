"""Figures drawn from arrays and numbers alone; nothing here imports torch or a model."""
