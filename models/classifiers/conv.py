"""A convolution along ordered columns, such as the windows of an accelerometer, behind the estimator protocol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from torch import Tensor, nn

from models.classifiers.embeddings import Embedding
from models.classifiers.layers import Beside
from models.classifiers.mlp import MLP
from models.classifiers.network import convolution
from models.errors import InvalidInput


class Conv1D(MLP):
    """1D convolutions along ordered features, then the perceptron on what they find and on the other features.

    ordered: places of the ordered features, in order; None: all numbers. channels: the ordered features are so many
    runs of equal length, one after the other (X0..X9, Y0..Y9, Z0..Z9: 3). filters: per convolution; kernel: steps that
    a filter sees (odd); pool: neighbouring steps that become their largest. Other options as for MLP.
    """

    def __init__(
        self,
        task: str = "binary",
        categorical: Sequence[bool] | None = None,
        ordered: Sequence[int] | None = None,
        channels: int = 1,
        filters: Sequence[int] = (32, 64),
        kernel: int = 3,
        pool: int = 2,
        hidden: Sequence[int] | None = None,
        activation: str = "relu",
        output: str | None = None,
        loss: str | None = None,
        optimizer: str = "adamw",
        learning_rate: float | None = None,
        schedule: str = "cosine",
        dropout: float | None = None,
        batch_norm: bool = False,
        l1: float = 0.0,
        l2: float = 0.0,
        weight_decay: float | None = None,
        batch: int | None = None,
        epochs: int | None = None,
        patience: int | None = None,
        validation: float = 0.1,
        members: int | None = None,
        class_weight: str | Mapping[Any, float] | None = None,
        scaling: str = "standard",
        missing: str = "median",
        encoding: str = "onehot",
        target: str = "standard",
        seed: int = 0,
    ) -> None:
        super().__init__(
            task,
            categorical,
            hidden,
            activation,
            output,
            loss,
            optimizer,
            learning_rate,
            schedule=schedule,
            dropout=dropout,
            batch_norm=batch_norm,
            l1=l1,
            l2=l2,
            weight_decay=weight_decay,
            batch=batch,
            epochs=epochs,
            patience=patience,
            validation=validation,
            members=members,
            class_weight=class_weight,
            scaling=scaling,
            missing=missing,
            encoding=encoding,
            target=target,
            seed=seed,
        )
        self.ordered = ordered
        self.channels = channels
        self.filters = filters
        self.kernel = kernel
        self.pool = pool

    def _embedding(self, inputs: Tensor) -> Embedding:
        return None

    def _front(self, layer: Embedding) -> tuple[list[nn.Module], int]:
        chosen = self._chosen()
        width = self.preparation_.width
        layers, features = convolution(
            self.channels,
            len(chosen) // self.channels,
            tuple(self.filters),
            self.kernel,
            self.pool,
            self.activation,
            batch_norm=self.batch_norm,
            members=self.plan_.members,
        )
        return [Beside(nn.Sequential(*layers), chosen, width)], features + width - len(chosen)

    def _chosen(self) -> np.ndarray[Any, np.dtype[np.int64]]:
        """Places of the ordered features among the prepared inputs, where the numbers stand first."""
        mask = np.zeros(self.n_features_in_, bool) if self.categorical is None else np.asarray(self.categorical, bool)
        numbers = np.flatnonzero(~mask)
        asked = numbers if self.ordered is None else np.asarray(self.ordered, np.int64)
        if len(np.unique(asked)) < len(asked) or not np.isin(asked, numbers).all():
            raise InvalidInput(
                "Ordered features must be numbers, each once.", hint="Leave categorical columns out of `ordered`."
            )
        if self.channels < 1 or len(asked) == 0 or len(asked) % self.channels:
            raise InvalidInput(
                f"{len(asked)} ordered features are not {self.channels} channels of equal length.",
                hint="Give as many features as channels times steps.",
            )
        return np.searchsorted(numbers, asked).astype(np.int64)
