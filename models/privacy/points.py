"""The values that a column can write, numbered: those of its decimals, or of its datetimes' format."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from models.dates import second_decimals
from models.schema import Column, Kind

_DAY = 86_400.0
_CLOCK = (("S", 1.0), ("s", 1.0), ("T", 1.0), ("X", 1.0), ("c", 1.0), ("M", 60.0), ("H", 3600.0), ("I", 3600.0))
_DAYS, _MONTHS = "djxcDFUWVaAuws", "mbBh"


@dataclass(frozen=True)
class Points:
    """Values number * grid; of a datetime that is written without its day, the starts of months or years.

    grid: seconds for datetimes; 0 where float64 holds no such grid. unit: "" or numpy's letter of months or years.
    """

    grid: float
    unit: str = ""

    def first(self, value: float, without: bool = False) -> int:
        """Number of the first point that is not below the value (without: that is above it)."""
        place = self._place(value)
        return math.floor(place) + 1 if without else math.ceil(place)

    def last(self, value: float, without: bool = False) -> int:
        """Number of the last point that is not above the value (without: that is below it)."""
        place = self._place(value)
        return math.ceil(place) - 1 if without else math.floor(place)

    def value(self, place: int) -> float:
        if self.unit:
            start = np.array(place, f"datetime64[{self.unit}]")
            return float(start.astype("datetime64[s]").astype(np.int64))
        return place * self.grid

    def until(self, place: int) -> float:
        """The last value that is written as this point."""
        return self.value(place + 1) - self.grid if self.unit else self.value(place)

    def _place(self, value: float) -> float:
        """Whole for a point, between two whole numbers for a value between two points."""
        if self.unit:
            moment = np.array(math.floor(value), "datetime64[s]")
            whole = int(moment.astype(f"datetime64[{self.unit}]").astype(np.int64))
            return float(whole) if self.value(whole) == value else whole + 0.5
        place = value / self.grid
        near = round(place)
        return float(near) if abs(place - near) <= max(1e-9, 1e-15 * abs(place)) else place


def points_of(column: Column) -> Points:
    """Of a number or a datetime. No grid where the bounds of a public column are too large for one."""
    if column.kind is not Kind.DATETIME:
        ends = (column.minimum, column.maximum, *(column.edges or ()))
        most = max((abs(end) for end in ends if isinstance(end, int | float)), default=0)
        fine = column.decimals <= 9 and most * 10.0**column.decimals <= 2**52
        return Points(10.0**-column.decimals if fine else 0.0)
    form = (column.datetime_format or "%Y-%m-%d").replace("%-", "%")
    if digits := second_decimals(form):
        return Points(10.0**-digits)
    if clock := [seconds for letter, seconds in _CLOCK if f"%{letter}" in form]:
        return Points(clock[0])
    if any(f"%{letter}" in form for letter in _DAYS):
        return Points(_DAY)
    return Points(_DAY, "M" if any(f"%{letter}" in form for letter in _MONTHS) else "Y")
