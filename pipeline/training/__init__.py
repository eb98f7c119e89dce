"""Training: a loop that resumes exactly, its checkpoints and its log."""
