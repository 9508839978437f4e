"""MST (McKenna, Miklau and Sheldon 2021) and AIM (McKenna et al. 2022) of the `dpmm` package, AIM at 10 MB.

The package sets no limit to AIM's model, and warns that it may then take many hours. AIM's inference runs in fewer
passes than the package's own, to the same result (inference.py).
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pandas as pd
from dpmm.pipelines import AIMPipeline, MSTPipeline

KINDS = {"mst": (MSTPipeline, {}), "aim": (AIMPipeline, {"max_model_size": 10.0})}


def fit(data: Any, seed: int, settings: dict[str, Any]) -> Any:
    """settings: model, mst or aim; the rest is the pipeline's. Cells are given: nothing is binned. The package draws
    noise from the system, whatever the seed."""
    if settings["model"] == "aim":
        _inference().quicken()
    kind, fixed = KINDS[settings["model"]]
    rest = {name: value for name, value in settings.items() if name != "model"}
    names = [f"c{j}" for j in range(len(data.sizes))]
    model = kind(**{"disable_processing": True, "n_jobs": 1, **fixed, **rest})
    domain = dict(zip(names, data.sizes, strict=True))
    model.fit(pd.DataFrame(data.codes, columns=names), domain=domain, random_state=seed)
    return model


def draw(model: Any, rows: int, seed: int) -> Any:
    return model.generate(n_records=rows, random_state=seed).to_numpy()


def facts(model: Any) -> dict[str, Any]:
    return {"tables": len(model.gen.generator.cliques)}


def _inference() -> Any:
    """The file beside this one; the folder itself is not searched, as its names would hide packages."""
    spec = importlib.util.spec_from_file_location("quick_inference", Path(__file__).with_name("inference.py"))
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found
