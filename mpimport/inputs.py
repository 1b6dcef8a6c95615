"""Sources and formats joined into inputs that the pipeline can read.

Knows neither events nor the API.
"""

from __future__ import annotations

import logging
import os
import stat
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from mpimport.errors import BrokenInput, UsageProblem
from mpimport.foreign import find_no_text
from mpimport.formats import FORMATS, HEAD_BYTES, ReadOptions, detect
from mpimport.interrupt import Interrupt
from mpimport.private_files import find_stranger
from mpimport.records import Block, Unreadable
from mpimport.sources import ByteStream, Source, open_source
from mpimport.writable import find_unwritable

if TYPE_CHECKING:
    from mpimport.doubts import Doubts

TABLES = ("csv", "tsv")

_log = logging.getLogger(__name__)


class FileInput:
    """A file or standard input, read in a format: `auto` looks at its name and its first bytes."""

    def __init__(
        self,
        source: Source,
        format_name: str,
        options: ReadOptions,
        interrupt: Interrupt,
        stdin: BinaryIO | None = None,
        doubts: Doubts | None = None,
    ) -> None:
        """Open nothing yet; `doubts` are told what the first records of it and of others look like."""
        self._source = source
        self._format = format_name
        self._options = options
        self._interrupt = interrupt
        self._stdin = stdin
        self._doubts = doubts
        self._stream: ByteStream | None = None
        self._consumed = 0
        self.name = source.name
        self.path = source.path
        self.resumable = source.resumable
        self.size = source.size
        self.columns: Mapping[str, str] | None = None
        self.names: Sequence[str] | None = None  # of a table that was looked into
        self.open_end: tuple[int, int] | None = None
        self.is_void = False
        self.continued = False
        self.skipped = 0

    @property
    def doubts(self) -> Sequence[str]:
        """The warnings that were given of what is in this and others."""
        return () if self._doubts is None else self._doubts.told

    @property
    def consumed(self) -> int:
        """Bytes taken from the file so far, compressed if it is."""
        return self._stream.consumed if self._stream is not None else self._consumed

    def look_into(self, *, deeper: bool) -> None:
        """Look into a regular file before anything is sent: at its format, and `deeper` at how it begins.

        Raises UsageProblem when it takes an option to read it.
        """
        if not self.resumable:
            return
        with self._open() as stream:
            if no_text := find_no_text(self.name, stream.peek(HEAD_BYTES)):
                raise UsageProblem(no_text)
            name = self._detect(stream) if self._format == "auto" else self._format
            if deeper:
                options = replace(self._options, on_columns=self._take_names)
                with suppress(BrokenInput):  # what comes before the damage is imported
                    next(FORMATS[name].read(stream, options), None)

    @contextmanager
    def open(self, place: tuple[int, int] | None = None) -> Iterator[Iterator[Block | Unreadable]]:
        """Read from the beginning, or from the line of a number at a byte offset; only one pass.

        A table is read with the kinds of `columns` that are set before, or else sets them.
        """
        with ExitStack() as stack:
            stream = stack.enter_context(self._open())
            options = replace(
                self._options, decided=self.columns, on_columns=self._take_columns, on_open_end=self._take_open_end
            )
            self._stream, doubts = stream, self._doubts if place is None else None
            if doubts is not None:
                options = replace(options, on_amounts=doubts.of_amounts, on_spoilt=doubts.of_spoilt)
            try:
                name = self._detect(stream) if self._format == "auto" else self._format
                self._warn_of_idle(name)
                if place is not None:
                    self._stream = stream = stack.enter_context(self._open(place[1]))
                    options = replace(options, first=place[0])
                blocks = FORMATS[name].read(stream, options)
                yield blocks if doubts is None or name in TABLES else doubts.of_records(self.name, blocks)
            finally:
                self._consumed, self.is_void, self._stream = stream.consumed, stream.is_void, None
                if doubts is not None:
                    doubts.of_end(self.name)

    def _open(self, offset: int = 0) -> ByteStream:
        stdin = self._stdin or sys.stdin.buffer
        encoding = self._options.encoding
        patient, heed = self._interrupt.patient, self._interrupt.heed
        return open_source(self._source, stdin, patient, heed=heed, encoding=encoding, offset=offset)

    def _warn_of_idle(self, name: str) -> None:
        """Warn of options that do nothing in the format of that name."""
        given = {"--json-path": ("json",), "--delimiter": ("csv",)}
        for option, value in zip(given, (self._options.json_path, self._options.delimiter), strict=True):
            if value is not None and name not in given[option]:
                _log.warning("%s: is read as %s, where %s does nothing: is --format right?", self.name, name, option)

    def _take_names(self, _: str, kinds: Mapping[str, str]) -> None:
        self.names = tuple(kinds)

    def _take_columns(self, name: str, kinds: Mapping[str, str]) -> None:
        """Keep the kinds that were found; where an earlier run has found others, those stay, and it is said."""
        if self._doubts is not None:
            self._doubts.of_columns(name, kinds)
        found = {
            column: kind for column, kind in kinds.items() if kind != "string" and column not in self._options.types
        }
        if self.columns is None:
            self.columns = found
        for column in sorted({*found, *self.columns}) if found != self.columns else ():
            then, now = (some.get(column, "string") for some in (self.columns, found))
            if then != now:
                _log.warning(
                    "%s: column %r was read as %s when this import began, and looks like %s now: it stays %s, so that "
                    "no event gets another $insert_id; cells that do not fit are text",
                    name, column, then, now, then,
                )  # fmt: skip

    def _take_open_end(self, number: int | None) -> None:
        self.open_end = None if number is None else (self.consumed, number)

    def _detect(self, stream: ByteStream) -> str:
        return detect(self.name, stream.peek(HEAD_BYTES), delimiter=self._options.delimiter)


def find_problems(inputs: Sequence[FileInput], *, deeper: bool = False) -> Iterator[str]:
    """Look into every regular file, and tell of those that take an option to be read.

    Unless it is to be `deeper`, a single file is looked into no further than its format: reading it tells the rest
    before anything is sent.
    """
    for source in inputs:
        try:
            source.look_into(deeper=deeper or len(inputs) > 1)
        except (UsageProblem, BrokenInput) as error:
            yield str(error)


def find_clashes(inputs: Sequence[FileInput], written: Sequence[Path]) -> Iterator[str]:
    """Tell of a place where rejects cannot be written, and of one that is also read: it would never end."""
    for path in find_unwritable(written):
        yield f"{path}: what is not imported cannot be written there; name a file that can be, with --rejected"
    for path in dict.fromkeys(written):
        if stranger := find_stranger(path):
            yield f"{path}: {stranger}; name another file with --rejected"
        for source in inputs if path.exists() else ():
            if source.path is not None and path.samefile(source.path):
                yield f"{source.name}: rejects are written there, too; leave it out, or name another with --rejected"


def find_fed_back(inputs: Sequence[FileInput], written: Iterable[Path]) -> Iterator[str]:
    """Tell of a file that standard input is redirected from and that is written to: it would never end, or be lost."""
    if all(source.path is not None for source in inputs):
        return
    with suppress(OSError):
        read = os.fstat(0)
        for path in dict.fromkeys(written):
            with suppress(OSError):
                if stat.S_ISREG(read.st_mode) and os.path.samestat(path.stat(), read):
                    yield f"{path}: is standard input, and would be written to; name the file instead: mpimport {path}"
