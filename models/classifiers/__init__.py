"""The classification core: one estimator protocol, a torch perceptron and gradient boosting behind it."""

from models.classifiers.base import Estimator, Task, probabilities_of, task_of
from models.classifiers.boosting import Boosting
from models.classifiers.mlp import MLP
from models.classifiers.preparation import Preparation

__all__ = ["MLP", "Boosting", "Estimator", "Preparation", "Task", "probabilities_of", "task_of"]
