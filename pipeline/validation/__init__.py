"""Read every setting, and check it against the modules that it is for."""
