"""Headers of downloads, safe for any name."""

from __future__ import annotations

import re
from urllib.parse import quote


def attachment(name: str) -> dict[str, str]:
    """Content-Disposition (RFC 6266): an ASCII stand-in and the name itself, percent-encoded."""
    plain = re.sub(r"[^A-Za-z0-9._-]", "_", name)[:100] or "download"
    return {"Content-Disposition": f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"}
