"""Numbers: measures computed from samples of the networks."""
