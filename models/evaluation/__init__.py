"""Evaluation of a sample: fidelity, detection, utility and disclosure, as data. No HTML."""

from models.evaluation.evaluate import evaluate
from models.evaluation.options import EvaluationOptions
from models.evaluation.result import Evaluation, Metric

__all__ = ["Evaluation", "EvaluationOptions", "Metric", "evaluate"]
