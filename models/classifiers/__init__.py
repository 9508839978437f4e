"""The classification core: one estimator protocol, a torch perceptron and the methods of scikit-learn behind it."""

from models.classifiers.base import Estimator, Task, probabilities_of, task_of
from models.classifiers.boosting import Boosting
from models.classifiers.methods import METHODS, make
from models.classifiers.mlp import MLP
from models.classifiers.preparation import Preparation

__all__ = ["METHODS", "MLP", "Boosting", "Estimator", "Preparation", "Task", "make", "probabilities_of", "task_of"]
