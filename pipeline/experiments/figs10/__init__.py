"""Fig. S10: animals through FaceNet, which was trained on people."""
