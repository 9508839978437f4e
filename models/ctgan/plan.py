"""Sizes and length of the training, as the `ctgan` package has them unless the options say otherwise."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from models.errors import Detail, InvalidInput
from models.options import FitOptions


@dataclass(frozen=True)
class CtganPlan:
    """hidden, depth: of generator and critic. noise: length of the noise vector. pac: rows that the critic
    sees at once. steps: epochs x batches in a pass over the rows."""

    epochs: int
    batch: int
    pac: int
    noise: int
    hidden: int
    depth: int
    learning_rate: float
    critic_learning_rate: float
    weight_decay: float
    steps: int

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def make_plan(rows: int, options: FitOptions) -> CtganPlan:
    """rows: training rows. Raises InvalidInput where pac exceeds them."""
    pac = options.pac or 10
    batch = options.batch or max(500 // pac, 1) * pac
    if rows < pac:
        what = f"must not exceed the {rows} training rows"
        raise InvalidInput(f"Option 'pac' {what}.", hint=what, errors=[Detail(("options", "pac"), what)])
    batch = min(batch, rows // pac * pac)
    epochs = options.epochs or 300
    return CtganPlan(
        epochs=epochs,
        batch=batch,
        pac=pac,
        noise=options.noise or 128,
        hidden=options.hidden or 256,
        depth=2 if options.depth is None else options.depth,
        learning_rate=options.learning_rate or 2e-4,
        critic_learning_rate=options.critic_learning_rate or 2e-4,
        weight_decay=1e-6 if options.weight_decay is None else options.weight_decay,
        steps=epochs * max(1, rows // batch),
    )
