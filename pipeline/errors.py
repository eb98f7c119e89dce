"""The one error a user is meant to read."""


class PipelineError(Exception):
    """A mistake of the input or the machine, told in one clear sentence with its remedy."""
