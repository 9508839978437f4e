"""Privacy accounting: what releases cost together. numpy and scipy only, so that the service composes budgets with it.

Words. event: a release, with its mechanism and parameters. history: all events of a dataset or job. Neighbouring:
adding or removing one unit. docs/privacy.md says what is proved and how.
"""

from models.accounting.accountant import ACCOUNTANTS, delta, epsilon
from models.accounting.calibration import calibrate, fits, largest_epsilon
from models.accounting.events import (
    Event,
    History,
    approximate,
    compose,
    discrete_gaussian,
    gaussian,
    history_from_json,
    history_to_json,
    pure,
    sampled_gaussian,
)

__all__ = [
    "ACCOUNTANTS",
    "Event",
    "History",
    "approximate",
    "calibrate",
    "compose",
    "delta",
    "discrete_gaussian",
    "epsilon",
    "fits",
    "gaussian",
    "history_from_json",
    "history_to_json",
    "largest_epsilon",
    "pure",
    "sampled_gaussian",
]
