"""Evaluation of a sample: fidelity, detection, utility and disclosure, as data. No HTML.

Nothing is imported here: the service reads options, results and bars, which need no torch.
"""
