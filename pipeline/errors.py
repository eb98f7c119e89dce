"""The one error a user is meant to read."""


class PipelineError(Exception):
    """A mistake of the input or the machine, in one clear sentence with its remedy."""
