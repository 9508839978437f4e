"""A trained generator with all that it takes to sample, as it is kept: safetensors and JSON."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from models.artifacts import TRAIN_AGAIN, read_bundle, write_bundle
from models.ctgan.model import Ctgan, ctgan_from
from models.dp.one_pass import OnePass
from models.dp.stored import one_pass_from, one_pass_tensors, one_pass_to_json
from models.encoding.cells import Array
from models.encoding.encoding import TableEncoding, encoding_from
from models.errors import InvalidArtifact, InvalidInput
from models.gan.discriminator import Discriminator, discriminator_from
from models.gan.network import Generator
from models.gan.pairs import NO_PAIRS, check_pairs
from models.gan.student import student_from
from models.gan.tails import tails_of
from models.schema import Schema, schema_from_json


@dataclass(frozen=True, eq=False)
class Synthesizer:
    """A trained generator with all that it takes to sample.

    order: slots as drawn. frequencies (W,): training shares (of a OnePass, its own). Both are empty where the model is
    a Ctgan. pairs (P, 2): impossible ones, which are never drawn together. student: draws in fast mode, where the fit
    made one. discriminator: chooses rows, where the fit found that this helps. one_pass: what rows are raked to.
    """

    schema: Schema
    encoding: TableEncoding
    model: Generator | Ctgan | OnePass
    order: tuple[int, ...]
    frequencies: Array
    manifest: dict[str, Any]
    pairs: Array = field(default_factory=lambda: NO_PAIRS)
    student: Generator | None = None
    discriminator: Discriminator | None = None
    one_pass: OnePass | None = None

    def save(self, folder: Path) -> None:
        """Write it into a folder as safetensors and JSON."""
        shape: dict[str, Any]
        if isinstance(self.model, Ctgan):
            tensors, shape = self.model.tensors(), {"model": "ctgan", **self.model.to_json()}
        elif isinstance(self.model, OnePass):
            tensors, shape = one_pass_tensors(self.model), {"model": "one_pass", **one_pass_to_json(self.model)}
        else:
            tensors = {f"generator.{k}": v.detach().cpu().numpy() for k, v in self.model.state_dict().items()}
            shape = {"hidden": self.model.embed.shape[1], "depth": len(self.model.stack)}
            if self.one_pass is not None:
                tensors |= one_pass_tensors(self.one_pass)
                shape["one_pass"] = one_pass_to_json(self.one_pass)
            if self.student is not None:
                tensors |= {f"student.{k}": v.detach().cpu().numpy() for k, v in self.student.state_dict().items()}
        if self.discriminator is not None:
            tensors |= {f"discriminator.{k}": v for k, v in self.discriminator.tensors().items()}
        tensors |= self.encoding.tensors() | {"frequencies": self.frequencies.astype(np.float32), "pairs": self.pairs}
        parts = {
            "schema": self.schema.to_json(),
            "encoding": self.encoding.to_json(),
            "network": shape,
            "order": list(self.order),
            "manifest": self.manifest,
        }
        write_bundle(folder, "synthesizer", parts, tensors)

    @staticmethod
    def load(folder: Path) -> Synthesizer:
        """Inverse of save. Raises InvalidArtifact on anything damaged, foreign or of another version."""
        parts, tensors = read_bundle(folder, "synthesizer")
        try:
            schema = schema_from_json(parts["schema"])
            encoding = encoding_from(schema, parts["encoding"], tensors)
            layout = encoding.layout
            if parts["network"].get("model") == "ctgan":
                found = ctgan_from(encoding, parts["network"], tensors)
                return Synthesizer(schema, encoding, found, (), np.zeros(0), dict(parts["manifest"]))
            order = tuple(map(int, parts["order"]))
            if sorted(order) != list(range(len(layout.sizes))) or len(tensors["frequencies"]) != layout.width:
                raise ValueError("the order of its slots")
            if parts["network"].get("model") == "one_pass":
                mixture = one_pass_from(layout, parts["network"], tensors)
                return Synthesizer(schema, encoding, mixture, order, tensors["frequencies"], dict(parts["manifest"]))
            pairs = check_pairs(tensors.get("pairs", NO_PAIRS), layout)
            shape = parts["network"]
            size = (layout.width, len(layout.sizes), int(shape["hidden"]), int(shape["depth"]))
            model = Generator(*size, tails=tails_of(layout))
            weights = {k.removeprefix("generator."): v for k, v in tensors.items() if k.startswith("generator.")}
            # Before labels of a group had shares of their own, those were the network's alone.
            earlier = {k: v for k, v in model.state_dict().items() if k.startswith("_tails.")}
            model.load_state_dict(earlier | {k: torch.from_numpy(np.array(v)) for k, v in weights.items()})
            student, discriminator = student_from(tensors, layout), discriminator_from(tensors, layout)
            one_pass = one_pass_from(layout, shape["one_pass"], tensors) if "one_pass" in shape else None
        except InvalidArtifact:
            raise
        except (KeyError, TypeError, ValueError, IndexError, RuntimeError, InvalidInput) as error:
            what = str(error).splitlines()[0][:200]
            raise InvalidArtifact(f"The synthesizer's parts do not fit together: {what}.", hint=TRAIN_AGAIN) from None
        manifest = dict(parts["manifest"])
        return Synthesizer(
            schema, encoding, model, order, tensors["frequencies"], manifest, pairs, student, discriminator, one_pass
        )
