"""The interpreted networks: a module with a CARD for each, and how their layers are read."""
