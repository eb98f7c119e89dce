"""Verdicts on the paper's claims, and the report over all scales."""
