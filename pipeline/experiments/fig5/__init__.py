"""Figs. 5 and S13: what an attack on ResNet changes, layer by layer."""
