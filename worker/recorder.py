"""Collects what a child reports between two writes to the database."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import Any

from service.jobs.lifecycle import Event, StepReport

MIN_SECONDS = 1.0
MIN_FRACTION = 0.002
MAX_SECONDS = 15.0
"""A progress event at most every MIN_SECONDS, and only when MIN_FRACTION further or MAX_SECONDS later."""


@dataclass
class _Step:
    started: float
    ended: float | None = None
    fraction: float = 0.0
    message: str = ""
    shown: tuple[float, float] = (0.0, -1.0)
    """(when, fraction) of the last progress event."""

    def report(self, moment: float) -> StepReport:
        ended = None if self.ended is None else moment - self.ended
        return StepReport(self.fraction, self.message, moment - self.started, ended, moment)


@dataclass
class Recorder:
    """Thread-safe: one thread notes, another takes. private: how long a step took is told to nobody."""

    private: bool = False

    _lock: threading.Lock = field(default_factory=threading.Lock)
    _steps: dict[str, _Step] = field(default_factory=dict)
    _current: str | None = None
    _dirty: set[str] = field(default_factory=set)
    _events: list[Event] = field(default_factory=list)

    def step(self, name: str) -> None:
        """A step begins; the one before it has ended."""
        with self._lock:
            self._finish()
            self._current = name
            self._steps[name] = _Step(time.monotonic())
            self._dirty.add(name)
            self._events.append(Event("step", {"step": name, "state": "running"}))

    def finish(self) -> None:
        """The last step has ended."""
        with self._lock:
            self._finish()

    def _finish(self) -> None:
        if self._current is None:
            return
        step = self._steps[self._current]
        step.ended, step.fraction = time.monotonic(), 1.0
        self._dirty.add(self._current)
        took = {} if self.private else {"seconds": round(step.ended - step.started, 3)}
        self._events.append(Event("step", {"step": self._current, "state": "succeeded", **took}))
        self._current = None

    def progress(self, fraction: float, message: str, values: dict[str, Any]) -> None:
        with self._lock:
            if self._current is None:
                return
            step, moment = self._steps[self._current], time.monotonic()
            step.fraction, step.message = min(max(fraction, 0.0), 1.0), message
            self._dirty.add(self._current)
            since = moment - step.shown[0]
            if since >= MAX_SECONDS or (since >= MIN_SECONDS and abs(fraction - step.shown[1]) >= MIN_FRACTION):
                step.shown = (moment, fraction)
                data = {"step": self._current, "fraction": step.fraction, "message": message, "values": values}
                self._events.append(Event("progress", data))

    def event(self, type: str, data: dict[str, Any]) -> None:
        """Something that the log keeps whatever the pace."""
        with self._lock:
            self._events.append(Event(type, data))

    def take(self) -> tuple[dict[str, StepReport], list[Event]]:
        """What is new since the last take."""
        with self._lock:
            moment = time.monotonic()
            steps = {name: self._steps[name].report(moment) for name in self._dirty}
            events = self._events
            self._dirty, self._events = set(), []
            return steps, events

    def put_back(self, steps: dict[str, StepReport], events: list[Event]) -> None:
        """What was taken could not be written."""
        with self._lock:
            self._dirty |= set(steps)
            self._events = events + self._events
