"""Differential privacy: mechanisms and their noise. What they cost is in models/accounting."""
