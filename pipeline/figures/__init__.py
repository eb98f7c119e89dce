"""Figures: drawn from saved arrays and JSON alone, never from a network."""
