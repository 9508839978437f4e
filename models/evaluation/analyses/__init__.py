"""The analyst's own models and tables: what is asked (no torch: the service reads it), and how it is computed."""
