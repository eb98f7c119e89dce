"""Fig. 3: FaceNet's layers, what samples of them have in common, and what varies."""
