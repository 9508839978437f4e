"""A fitted network on disk: a bundle of safetensors and JSON (models/artifacts.py). Nothing in it is executed.

The manifest holds the constructor's options and what was learnt beside the weights. On reading, the network is built
anew from checked options, and every tensor must have the name, shape and type that this network has.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch

from models.artifacts import TRAIN_AGAIN, read_bundle, write_bundle
from models.classifiers.base import Task
from models.classifiers.embeddings import Embedding, Periodic, Piecewise
from models.classifiers.goals import Goal
from models.classifiers.losses import loss_of
from models.classifiers.plan import Plan
from models.classifiers.preparation import Preparation
from models.classifiers.training import History
from models.errors import InvalidArtifact, InvalidInput

MAX_NUMBERS = 200_000_000
"""Numbers that a network may hold: a hostile manifest must not fill the memory."""
Model = TypeVar("Model", bound=Any)


def save(model: Any, folder: Path) -> None:
    """Raises InvalidInput where classes are neither numbers nor texts."""
    arrays, about = model.preparation_.state()
    tensors = {f"preparation.{name}": np.asarray(array) for name, array in arrays.items()}
    tensors |= {f"net.{name}": t.detach().numpy() for name, t in model.net_.state_dict().items()}
    goal = model.goal_
    manifest = {
        "model": type(model).__name__,
        "options": _plain(model.get_params(deep=False)),
        "features": model.n_features_in_,
        "names": [str(n) for n in getattr(model, "feature_names_in_", [])],
        "classes": _classes(model.classes_) if goal.task.classes else None,
        "goal": {
            **{k: getattr(goal, k) for k in ("layer", "outputs", "target", "smoothing")},
            "task": goal.task.value,
            "loss": goal.loss.name,
            **{k: getattr(goal, k).tolist() for k in ("center", "scale")},
        },
        "plan": _plain(vars(model.plan_)),
        "preparation": _plain(about),
        "history": {k: [_finite(v) for v in values] for k, values in vars(model.history_).items()},
    }
    write_bundle(folder, "classifier", manifest, tensors)


def load(kind: type[Model], folder: Path) -> Model:
    """Raises InvalidArtifact where it is damaged, foreign, or does not fit together."""
    manifest, tensors = read_bundle(folder, "classifier")
    if manifest.get("model") != kind.__name__:
        raise InvalidArtifact(f"The file holds no {kind.__name__}.", hint="Load it with the class that saved it.")
    try:
        return _restored(kind, manifest, tensors)
    except InvalidArtifact:
        raise
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RuntimeError, InvalidInput) as error:
        what = f"The model does not fit together: {type(error).__name__}."
        raise InvalidArtifact(what, hint=TRAIN_AGAIN) from None


def _restored(kind: type[Model], manifest: Mapping[str, Any], tensors: Mapping[str, Any]) -> Model:
    options = dict(manifest["options"])
    known = kind().get_params(deep=False)
    if set(options) != set(known):
        raise InvalidArtifact("Its options are not those of this release.", hint=TRAIN_AGAIN)
    model: Model = kind(**options)
    model.n_features_in_ = int(manifest["features"])
    if manifest["names"]:
        model.feature_names_in_ = np.array(manifest["names"], dtype=object)
    raw = manifest["goal"]
    center, scale = (np.asarray(raw[k], np.float64) for k in ("center", "scale"))
    outputs = int(raw["outputs"])
    model.goal_ = Goal(
        Task(raw["task"]),
        loss_of(raw["loss"]),
        str(raw["layer"]),
        outputs,
        str(raw["target"]),
        float(raw["smoothing"]),
        center,
        scale,
    )
    if manifest["classes"] is not None:
        model.classes_ = np.asarray(manifest["classes"])
    model.plan_ = Plan(**{**manifest["plan"], "hidden": tuple(int(w) for w in manifest["plan"]["hidden"])})
    model.history_ = History(**manifest["history"])
    states = {k.removeprefix("preparation."): v for k, v in tensors.items() if k.startswith("preparation.")}
    model.preparation_ = Preparation.from_state(states, dict(manifest["preparation"]))
    weights = {k.removeprefix("net."): torch.from_numpy(v.copy()) for k, v in tensors.items() if k.startswith("net.")}
    _check_size(model, weights)
    model.net_ = _network(model, weights)
    return model


def _check_size(model: Any, weights: Mapping[str, torch.Tensor]) -> None:
    """That the network of the plan is about as large as the tensors that are there, before any memory is taken."""
    plan, width = model.plan_, model.preparation_.width
    held = sum(t.numel() for t in weights.values())
    widths = [width, *plan.hidden, model.goal_.outputs]
    if not 1 <= plan.members <= 1_000 or any(not 1 <= w <= 10_000_000 for w in widths[1:]) or width < 1:
        raise InvalidArtifact("Its layers cannot be made.", hint=TRAIN_AGAIN)
    least = plan.members * sum(a * b for a, b in pairwise(widths[1:]))
    if held > MAX_NUMBERS or least > held:
        raise InvalidArtifact("Its tensors are not those of its layers.", hint=TRAIN_AGAIN)
    if any(not t.isfinite().all() for t in weights.values()):
        raise InvalidArtifact("Its tensors hold numbers that are not finite.", hint=TRAIN_AGAIN)


def _network(model: Any, weights: Mapping[str, torch.Tensor]) -> torch.nn.Sequential:
    """The network with these weights. Its layers are made without memory, so that a manifest cannot ask for any."""
    layer: Embedding = None
    with torch.device("meta"):
        if "0.of" in weights:
            layer = Piecewise(weights["0.of"], weights["0.left"], weights["0.span"])
        elif "0.frequencies" in weights:
            layer = Periodic(model.plan_.members, model._numbers())
        net: torch.nn.Sequential = model._network(layer)
    expected = {n: (tuple(t.shape), t.is_floating_point()) for n, t in net.state_dict().items()}
    given = {n: (tuple(t.shape), t.dtype == torch.float64) for n, t in weights.items()}
    if given != expected or any(t.dtype not in (torch.float64, torch.int64) for t in weights.values()):
        raise InvalidArtifact("Its tensors are not those of its layers.", hint=TRAIN_AGAIN)
    net.load_state_dict(dict(weights), assign=True)
    net.eval()
    with torch.no_grad():  # indices and sizes that do not fit are refused here
        inputs = np.asarray(model.preparation_.transform(np.zeros((1, model.n_features_in_))), np.float64)
        raw = net(torch.from_numpy(inputs).expand(model.plan_.members, -1, -1))
        model.goal_.predict(raw)
    return net


def _classes(classes: Any) -> list[Any]:
    if classes.dtype.kind not in "biufUO" or not all(isinstance(c, str | bool | int | float) for c in classes.tolist()):
        raise InvalidInput("The classes are neither numbers nor texts.", hint="Code them as numbers or texts.")
    return list(classes.tolist())


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _plain(value: Any) -> Any:
    """Options as JSON."""
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return _plain(value.tolist()) if hasattr(value, "tolist") else value
