"""Samples, edits and attacks of trained networks, and the numbers measured on them."""
