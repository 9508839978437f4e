"""A request body into a blob as it arrives: counted, hashed, never spooled, at most one chunk in memory.

A raw body is the file itself. A multipart body is parsed incrementally: the bytes of the part `file` go to the blob,
the part `name` may name it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from email.message import Message
from typing import Any

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request

from models.errors import InvalidInput, TooLarge
from service.storage import BlobInfo, BlobStore, BlobWriter

MAX_FIELD_BYTES = 4_000
MAX_HEADERS = 16
FEED_BYTES = 1024 * 1024
"""Pieces are gathered to this size before a thread is asked to store them."""


@dataclass(frozen=True)
class Upload:
    blob: BlobInfo
    name: str
    media_type: str


class MultipartFile:
    """Incremental parser: `feed` gives the bytes of the part `file` contained in what it was fed."""

    def __init__(self, boundary: bytes) -> None:
        self.name: str | None = None
        self.filename: str | None = None
        self.media_type = "application/octet-stream"
        self.files = 0
        self.ended = False
        self._headers: dict[str, bytes] = {}
        self._header, self._value = bytearray(), bytearray()
        self._part: str | None = None
        self._field = bytearray()
        self._out: list[bytes] = []
        self._parser = MultipartParser(
            boundary,
            callbacks={
                "on_part_begin": self._begin,
                "on_header_field": lambda data, a, b: self._header_part(self._header, data[a:b]),
                "on_header_value": lambda data, a, b: self._header_part(self._value, data[a:b]),
                "on_header_end": self._header_end,
                "on_headers_finished": self._headers_finished,
                "on_part_data": self._data,
                "on_part_end": self._end,
                "on_end": self._finish,
            },
        )

    def feed(self, data: bytes) -> bytes:
        """Raises InvalidInput for what is no form."""
        try:
            self._parser.write(data)
        except FormParserError:
            raise InvalidInput(
                "The form is malformed.", hint="Does its boundary agree with the Content-Type header?"
            ) from None
        out = b"".join(self._out)
        self._out.clear()
        return out

    def _begin(self) -> None:
        self._headers, self._part = {}, None
        self._field.clear()

    def _header_part(self, kept: bytearray, data: bytes) -> None:
        if len(kept) + len(data) > MAX_FIELD_BYTES or len(self._headers) > MAX_HEADERS:
            raise InvalidInput("The form's part headers are too long.", hint="Let the client make the form.")
        kept.extend(data)

    def _header_end(self) -> None:
        self._headers[self._header.decode("latin-1").lower()] = bytes(self._value)
        self._header.clear()
        self._value.clear()

    def _headers_finished(self) -> None:
        _, options = parse_options_header(self._headers.get("content-disposition", b""))
        self._part = options.get(b"name", b"").decode("utf-8", "replace")
        if self._part == "file":
            self.files += 1
            self.filename = options.get(b"filename", b"").decode("utf-8", "replace") or None
            self.media_type = self._headers.get("content-type", b"application/octet-stream").decode("latin-1")

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._part == "file":
            self._out.append(data[start:end])
        elif len(self._field) + end - start > MAX_FIELD_BYTES:
            raise InvalidInput(f"The form field {self._part!r} is too long.", hint="Send the table as the part `file`.")
        else:
            self._field.extend(data[start:end])

    def _end(self) -> None:
        if self._part == "name":
            self.name = self._field.decode("utf-8", "replace")

    def _finish(self) -> None:
        self.ended = True


@dataclass
class _Sink:
    """Counts against the limit and hands pieces to the store in a thread."""

    writer: BlobWriter
    limit: int
    count: int = 0
    waiting: list[bytes] = field(default_factory=list)
    waiting_bytes: int = 0

    async def take(self, data: bytes) -> None:
        self.count += len(data)
        if self.count > self.limit:
            raise over_limit(self.limit)
        self.waiting.append(data)
        self.waiting_bytes += len(data)
        if self.waiting_bytes >= FEED_BYTES:
            await self.flush()

    async def flush(self) -> None:
        data = b"".join(self.waiting)
        self.waiting.clear()
        self.waiting_bytes = 0
        if data:
            await run_in_threadpool(self.writer.append, data)


async def receive(request: Request, store: BlobStore, limit: int, name: str | None) -> Upload:
    """The request's table as a complete blob. Raises TooLarge, InvalidInput; then, and when the caller hangs up,
    nothing stays stored."""
    declared = request.headers.get("content-length", "")
    multipart, media_type = _multipart(request)
    # A form's frame may add a little to the file's own bytes.
    if declared.isdecimal() and int(declared) > limit + (64 * 1024 if multipart else 0):
        raise over_limit(limit)
    writer = await run_in_threadpool(store.writer)
    try:
        sink = _Sink(writer, limit)
        async for piece in _pieces(request):
            await sink.take(multipart.feed(piece) if multipart else piece)
        await sink.flush()
        if multipart and (multipart.files != 1 or not multipart.ended):
            raise InvalidInput(
                "The form must hold exactly one complete part named `file`.", hint="curl -F file=@table.csv …"
            )
        if sink.count == 0:
            raise InvalidInput("The upload is empty.", hint="Send the table as the body, or as the form part `file`.")
        blob = await run_in_threadpool(writer.commit)
    except BaseException:
        await run_in_threadpool(writer.abort)
        raise
    given = name or (multipart and (multipart.name or multipart.filename)) or _disposition_name(request) or "table"
    return Upload(blob, _clean(given), (multipart.media_type if multipart else media_type)[:100])


def over_limit(limit: int) -> TooLarge:
    return TooLarge(
        f"The upload is larger than the limit of {limit:,} bytes.",
        hint="Compress it (CSV.gz, Parquet), or have POPULACE_MAX_UPLOAD_BYTES raised.",
    )


async def _pieces(request: Request) -> AsyncIterator[bytes]:
    try:
        async for piece in request.stream():
            if piece:
                yield piece
    except ClientDisconnect:
        raise InvalidInput("The upload broke off.", hint="Send it again.") from None


def _multipart(request: Request) -> tuple[MultipartFile | None, str]:
    header = request.headers.get("content-type", "application/octet-stream")
    kind, options = parse_options_header(header)
    if kind != b"multipart/form-data":
        return None, kind.decode("latin-1")
    if not options.get(b"boundary"):
        raise InvalidInput("The form has no boundary.", hint="Let the client set Content-Type: multipart/form-data.")
    try:
        return MultipartFile(options[b"boundary"]), "multipart/form-data"
    except FormParserError:
        raise InvalidInput("The form's boundary is too long.", hint="It may have 70 characters (RFC 2046).") from None


def _disposition_name(request: Request) -> str | None:
    header = request.headers.get("content-disposition")
    if not header:
        return None
    message: Any = Message()
    message["content-disposition"] = header
    name = message.get_filename()
    return str(name) if name else None


def _clean(name: str) -> str:
    """A display name: no folders, no control characters, at most 200 characters."""
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    return "".join(c for c in last if c.isprintable()).strip()[:200] or "table"
