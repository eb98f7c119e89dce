"""Trainings: the loop, which resumes exactly, its checkpoints and log, and a trainer per model."""
