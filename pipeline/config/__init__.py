"""The settings of a run: their types, their files, and the sentences for mistakes."""
