"""What a model learns from the sample: every method of the core trained on it and on real rows, tested on real ones."""
