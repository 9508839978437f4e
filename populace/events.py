"""Server-sent events (WHATWG HTML 9.2.6) out of the lines of a response."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from populace.records import Event


def parse_events(lines: Iterable[str]) -> Iterator[Event]:
    """Events whose data is JSON and whose id is a number; comments (heartbeats) and unknown fields are passed over."""
    last_id, kind, data = 0, "message", list[str]()
    for line in lines:
        if not line:
            if data:
                yield Event(last_id, kind, json.loads("\n".join(data)))
            kind, data = "message", []
            continue
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            data.append(value)
        elif name == "event":
            kind = value
        elif name == "id" and value.isdigit():
            last_id = int(value)
