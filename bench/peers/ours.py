"""This project: training on all rows it is given (the bench holds the holdout). Reading and schema count as fitting."""

from __future__ import annotations

import os
from typing import Any

from models.ingest import Limits, infer_schema, read_upload
from models.options import FitOptions
from models.progress import SILENT
from models.synthesize import Synthesizer, sample
from models.synthesize import fit as train
from models.table import Table


def fit(data: Any, seed: int, settings: dict[str, Any]) -> Synthesizer:
    upload = read_upload(data.path, filename=data.path.name, limits=Limits(), progress=SILENT)
    table = Table(infer_schema(*upload), upload.data)
    fixed = {"holdout": 0.0, "seed": seed, "threads": int(os.environ["OMP_NUM_THREADS"])}
    return train(table, options=FitOptions.from_json({**fixed, **settings}))


def draw(model: Synthesizer, rows: int, seed: int) -> Table:
    return sample(model, rows, seed=seed)
