"""Figs. 4 and S7: what a layer represents of a digit and its colours while its network trains."""
