"""Calibration of every t: coverage, ranks of named factors, information per layer."""
