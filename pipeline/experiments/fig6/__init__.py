"""Figs. 6, S11 and S12: the texture bias of two classifiers."""
