"""Eq. 7: samples of each of FaceNet's layers, edited, and how far the network's output moves."""
