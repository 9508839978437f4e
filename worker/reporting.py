"""What a child tells its supervisor: JSON lines. Standard library, models.progress and worker.private only."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from models.errors import Cancelled
from models.progress import clean_values
from worker.archives import pack
from worker.private import Discretion

UPDATE_SECONDS = 0.2


class Reporter:
    """Progress (models.progress) over a stream. `stop` may be set by a signal handler.

    private: the job is one under differential privacy, and says only what worker.private lets through.
    """

    def __init__(self, out: IO[str], folder: Path, checkpoint_seconds: float, private: bool = False) -> None:
        self._discretion = Discretion() if private else None
        self.stop = threading.Event()
        self._out, self._folder, self._every = out, folder, checkpoint_seconds
        self._lock = threading.Lock()
        self._updated = 0.0
        self._kept = time.monotonic()
        self._number = 0
        self._packed = folder / "out" / "checkpoint-0.tar"

    def say(self, type: str, **data: Any) -> None:
        told = data if self._discretion is None else self._discretion.message(type, data)
        if told is None:
            return
        line = json.dumps({"type": type, **told}, allow_nan=False)
        with self._lock:
            self._out.write(line + "\n")
            self._out.flush()

    def step(self, name: str) -> None:
        self.check()
        self._updated = 0.0
        self.say("step", name=name)

    def update(self, fraction: float, message: str = "", **values: float) -> None:
        moment = time.monotonic()
        if moment - self._updated >= UPDATE_SECONDS or fraction >= 1.0:
            self._updated = moment
            self.say("progress", fraction=min(max(fraction, 0.0), 1.0), message=message, values=clean_values(values))

    def checkpoint(self, folder: Path, **meta: Any) -> None:
        """Pack the folder now, since its owner overwrites it next; at most every `checkpoint_seconds`, unless meta has
        a true `now`.

        The supervisor deletes a packed checkpoint when it has it: while it has not, there is no point in another.
        """
        moment = time.monotonic()
        urgent = meta.pop("now", False)
        if not urgent and (moment - self._kept < self._every or self._packed.exists()):
            return
        self._kept = moment
        self._number += 1
        self._packed = self._folder / "out" / f"checkpoint-{self._number}.tar"
        pack(folder, self._packed)
        self.say(
            "checkpoint", file=self._packed.name, meta={k: v for k, v in meta.items() if isinstance(v, int | float)}
        )

    def event(self, type: str, data: Mapping[str, Any]) -> None:
        self.say("event", name=type, data=dict(data))

    def check(self) -> None:
        if self.stop.is_set():
            raise Cancelled("The work was stopped.")
