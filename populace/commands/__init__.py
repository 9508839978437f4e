"""One module per command. Heavy imports stay inside the functions: `populace --help` must be instant."""
