"""The text of an upload as a stream of UTF-8 bytes: decompressed, decoded and counted as it comes."""

from __future__ import annotations

import codecs
import io
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from models.errors import Detail, InvalidData, TooLarge
from models.ingest.limits import Limits

CHUNK = 1 << 20


def raw_chunks(path: Path) -> Iterator[bytes]:
    """The file as it lies on disk, in pieces."""
    with path.open("rb") as file:
        while piece := file.read(CHUNK):
            yield piece


def gunzip_chunks(path: Path, limits: Limits) -> Iterator[bytes]:
    """The decompressed content (all members), never more than CHUNK bytes at once.

    Raises TooLarge as soon as a limit is passed, InvalidData for a damaged or truncated archive.
    """
    engine, total, read, done = zlib.decompressobj(31), 0, 0, False
    for piece in raw_chunks(path):
        read += len(piece)
        while piece:
            if done:  # a new member, or padding
                piece = piece.lstrip(b"\0")
                if not piece:
                    break
                engine, done = zlib.decompressobj(31), False
            try:
                out = engine.decompress(piece, CHUNK)
            except zlib.error:
                raise _damaged() from None
            total += len(out)
            if total > limits.max_bytes or (total > limits.ratio_floor and total > limits.max_ratio * read):
                raise TooLarge(
                    "The archive unpacks to more than is allowed.",
                    hint=f"The limits are {limits.max_bytes:,} bytes and {limits.max_ratio:g} times the "
                    "compressed size. Upload fewer rows, or ask the operator to raise the limit.",
                )
            if out:
                yield out
            done = engine.eof
            piece = engine.unused_data if done else engine.unconsumed_tail
    if not done:
        raise _damaged()


def _damaged() -> InvalidData:
    return InvalidData("The gzip archive is damaged or cut short.", hint="Compress or upload the file again.")


class TextStream(io.RawIOBase):
    """A readable stream of UTF-8 bytes without byte order mark.

    Raises, while being read: InvalidData for bytes outside the encoding and for NUL bytes (with the line), TooLarge
    beyond `limits.max_bytes`. quotes: double quotes seen so far. partial: the chunks end before the text.
    """

    def __init__(self, chunks: Iterator[bytes], encoding: str, limits: Limits, *, partial: bool = False) -> None:
        self._chunks = chunks
        self._encoding = encoding
        self._decoder: Any = codecs.getincrementaldecoder(encoding)("strict")
        self._limits = limits
        self._partial = partial
        self._buffer = b""
        self._line = 1
        self._first = True
        self._end = False
        self.total = 0
        self.quotes = 0

    def readable(self) -> bool:
        return True

    def readinto(self, target: Any) -> int:
        view = memoryview(target).cast("B")
        while not self._buffer and not self._end:
            self._buffer = self._next()
        size = min(len(view), len(self._buffer))
        view[:size] = self._buffer[:size]
        self._buffer = self._buffer[size:]
        return size

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes, fewer only at the end (Arrow takes a short read for the end)."""
        parts, wanted = [], size if size is not None and size >= 0 else 1 << 62
        while wanted > 0:
            if not self._buffer:
                if self._end:
                    break
                self._buffer = self._next()
                continue
            parts.append(self._buffer[:wanted])
            self._buffer = self._buffer[wanted:]
            wanted -= len(parts[-1])
        return b"".join(parts)

    def _next(self) -> bytes:
        piece = next(self._chunks, b"")
        self._end = not piece
        self.total += len(piece)
        if self.total > self._limits.max_bytes:
            raise TooLarge(
                f"The table is larger than {self._limits.max_bytes:,} bytes.",
                hint="Upload fewer rows or columns, or ask the operator to raise the limit.",
            )
        try:
            text = self._decoder.decode(piece, self._end and not self._partial)
        except UnicodeDecodeError as error:
            line = self._line + error.object[: error.start].count(b"\n")
            raise InvalidData(
                f"Line {line} is not valid {self._encoding.removesuffix('-sig').upper()} text.",
                hint="Save the file as UTF-8 (in a spreadsheet: `CSV UTF-8`; in a shell: "
                "iconv -f WINDOWS-1252 -t UTF-8).",
                errors=[Detail(("line", line), "bytes outside the encoding")],
            ) from None
        out: bytes = text.encode("utf-8", "surrogatepass") if text else b""
        if self._first and text:
            out, self._first = out.removeprefix(b"\xef\xbb\xbf"), False
        if b"\0" in out:
            line = self._line + out[: out.index(b"\0")].count(b"\n")
            raise InvalidData(
                f"Line {line} holds a NUL byte.",
                hint="The file is binary or damaged: export the table again as text.",
                errors=[Detail(("line", line), "NUL byte")],
            )
        self._line += out.count(b"\n")
        self.quotes += out.count(b'"')
        return out
