"""Interpreting deep representations and their invariances with invertible networks."""
