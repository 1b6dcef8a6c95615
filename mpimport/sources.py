"""Where the bytes come from: paths, globs, standard input; decompression and byte counting.

Knows nothing of what the bytes mean.
"""

from __future__ import annotations

import glob
import os
import stat
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, TypeAlias

from mpimport.encodings import choose, rejoin, to_utf8
from mpimport.errors import BrokenInput, MpimportError, UsageProblem
from mpimport.file_words import word_elsewhere, word_gone, word_unreadable
from mpimport.foreign import find_foreign
from mpimport.gunzip import MAGIC, Raw, gunzip
from mpimport.standard_streams import make_blocking
from mpimport.watched import watch

Patience: TypeAlias = Callable[[int, Callable[[int], bytes]], Callable[[int], bytes]]
"""Takes a file descriptor and its read; gives a read that can be ended while it waits."""

IsOurs: TypeAlias = Callable[[bytes], object]
STDIN = "stdin"
_OURS = ("rejected", "undelivered")
_HEAD_BYTES, _LOOK_BYTES = 10, 4096
_PIECE_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Source:
    """One input. `path` is None for standard input; `size`: bytes of a regular file from where it is read."""

    name: str
    path: Path | None
    size: int | None
    resumable: bool


class ByteStream:
    """The decompressed bytes of one source, once, as UTF-8 without a byte order mark at their start.

    They are converted from `encoding`, or from UTF-16 where a mark tells it; UTF-8 itself is not checked.
    `pull(n)` gives at most `n` raw bytes, b"" at the end. Nothing is read before the first `read` or `peek`.
    `offset`: how many raw bytes are before the first that is pulled; then it is taken as it is, for UTF-8.
    """

    def __init__(
        self,
        name: str,
        pull: Callable[[int], bytes],
        *,
        close: Callable[[], None] | None = None,
        reopen: Callable[[], ByteStream] | None = None,
        encoding: str | None = None,
        offset: int = 0,
    ) -> None:
        self.name = name
        self._raw = Raw(name, pull, offset)
        self._close, self._reopen = close, reopen
        self._encoding = encoding
        self._pieces: Iterator[bytes] | None = None
        self._begun = offset > 0
        self._held, self._at = b"", 0
        self._failure: MpimportError | None = None
        self.is_void = False  # nothing is in it, or it unpacks to nothing

    def __enter__(self) -> ByteStream:  # noqa: PYI034 - Self is Python 3.11's; nobody subclasses this
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def consumed(self) -> int:
        """Raw bytes taken from the source so far: the position in the compressed file."""
        return self._raw.consumed

    def place(self) -> int | None:
        """Give the byte of the source that the next `read` begins with; None where the bytes are made of others."""
        if not self._begun:
            self._begin()
        return self._raw.consumed - len(self._held) + self._at if self._pieces is None else None

    def close(self) -> None:
        """Close the file; standard input stays open."""
        if self._close is not None:
            self._close()

    def reopen(self) -> ByteStream | None:
        """Open the same source again from its start, for a second pass; None for what can be read only once."""
        return None if self._reopen is None else self._reopen()

    def read(self, n: int) -> bytes:
        """Take at most `n` bytes; b"" only at the end. Raises `BrokenInput` after the last good byte."""
        if not self._begun:
            self._begin()
        if self._at == len(self._held):
            self._held, self._at = self._more(n), 0
        piece = self._held[self._at : self._at + n]
        self._at += len(piece)
        return piece

    def peek(self, n: int) -> bytes:
        """Look at the next `n` bytes, fewer at the end or before damage, which `read` will tell of."""
        if not self._begun:
            self._begin()
        return self._look(n)

    def _look(self, n: int) -> bytes:
        pieces = [self._held[self._at :]]
        size = len(pieces[0])
        with suppress(BrokenInput):
            while size < n and (piece := self._more(n - size)):
                pieces.append(piece)
                size += len(piece)
        self._held, self._at = b"".join(pieces), 0
        return self._held[:n]

    def _more(self, n: int) -> bytes:
        if self._failure is not None:
            raise self._failure
        try:
            return self._raw.take(n) if self._pieces is None else next(self._pieces, b"")
        except MpimportError as failure:
            self._failure = failure
            raise

    def _begin(self) -> None:
        """Find out from the first bytes what they are, before anybody reads."""
        self._begun = True
        if self._raw.starts_with(MAGIC):
            self._pieces = filter(None, gunzip(self._raw))
        head = self._look(_HEAD_BYTES)
        self.is_void = not head and self._failure is None
        foreign = find_foreign(self.name, head, self._encoding)
        if head.startswith(MAGIC):
            foreign = f"{self.name}: is compressed twice: gunzip it once"
        if foreign:
            self._held, self._failure = b"", UsageProblem(foreign)
            raise self._failure
        encoding, self._at = choose(head, self._encoding)
        if encoding is not None:
            rest = self._pieces or iter(partial(self._raw.take, _PIECE_BYTES), b"")
            self._pieces = to_utf8(self.name, rejoin(self._held, rest, self._failure), encoding, skip=self._at)
            self._held, self._at, self._failure = b"", 0, None


def expand(
    arguments: Sequence[str], *, encoding: str | None = None, is_ours: IsOurs = lambda _: False
) -> tuple[list[Source], list[str]]:
    """Turn what the user named into sources, in that order, and notes on what was left out.

    An argument is a file, `-` for standard input, or a glob when no file has that very name. Every regular
    file is opened once and its first bytes are looked at; of what `is_ours` knows by them nothing is told here.
    All problems are raised in one `UsageProblem`.
    """
    problems, notes, sources = list[str](), list[str](), list[Source]()
    for argument in arguments:
        if elsewhere := word_elsewhere(argument):
            problems.append(elsewhere)
            continue
        is_glob = glob.has_magic(argument) and not os.path.lexists(argument)
        for name in _match(argument, problems, notes) if is_glob else [argument]:
            sources += filter(None, [_inspect(name, problems, encoding, is_ours)])
    problems.extend(_find_doubles(sources))
    if problems:
        raise UsageProblem(*problems)
    return sources, notes


def open_source(
    source: Source,
    stdin: BinaryIO,
    patient: Patience | None = None,
    *,
    heed: Callable[[], None] = lambda: None,
    encoding: str | None = None,
    offset: int = 0,
) -> ByteStream:
    """Open a source for one pass over its decompressed bytes; `reopen()` of the stream gives another.

    `offset` is a byte that a stream of the same source gave as its `place`.
    `patient` wraps a read that may wait for ever, of a pipe or a terminal, so that the wait can be ended.
    Raises `UsageProblem` when the source is gone or has become a directory. Standard input is never closed.
    """
    if source.path is None:
        make_blocking(stdin)
        pull = _patiently(stdin, getattr(stdin, "read1", stdin.read), patient)
        return ByteStream(source.name, pull, encoding=encoding)
    try:
        file = _open(source.path, waits=patient is not None and not source.resumable)
    except OSError as error:
        raise UsageProblem(word_gone(source.name, error)) from error
    if not source.resumable:
        return ByteStream(source.name, _patiently(file, file.read, patient), close=file.close, encoding=encoding)
    again = partial(open_source, source, stdin, heed=heed, encoding=encoding)
    file.seek(offset)
    pull = watch(source.name, file, source.path, source.size, heed)
    return ByteStream(source.name, pull, close=file.close, reopen=again, encoding=encoding, offset=offset)


def _open(path: Path, *, waits: bool) -> FileIO:
    """Open a file; of a FIFO that nobody writes to yet, the first read waits instead (Linux promises that)."""
    if not waits or sys.platform != "linux":
        return path.open("rb", buffering=0)
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    os.set_blocking(descriptor, True)
    return FileIO(descriptor, "rb")


def _patiently(
    file: BinaryIO | FileIO, read: Callable[[int], bytes], patient: Patience | None
) -> Callable[[int], bytes]:
    try:
        descriptor = file.fileno()
    except (OSError, ValueError, AttributeError):  # no file of the operating system: nothing to wait for
        return read
    return read if patient is None else patient(descriptor, partial(os.read, descriptor))


def _match(pattern: str, problems: list[str], notes: list[str]) -> list[str]:
    """Expand a glob to files, without what an earlier run of ours left beside them."""
    matches = glob.glob(pattern, recursive=True)  # noqa: PTH207 - Path.glob takes no absolute pattern
    found = sorted(name for name in matches if not Path(name).is_dir())
    wanted = [name for name in found if not _is_ours(name, pattern)]
    skipped = ", ".join(name for name in found if _is_ours(name, pattern))
    if not found:
        problems.append(f"{pattern}: no file matches; check the pattern and the working directory")
    elif not wanted:
        problems.append(f"{pattern}: matches only what mpimport itself wrote ({skipped}); name that to import it again")
    elif skipped:
        notes.append(f"{pattern}: left out {skipped}, which mpimport itself wrote; name it to import it again")
    return wanted


def _is_ours(name: str, pattern: str) -> bool:
    return any(name.endswith(f".{word}.ndjson") and word not in pattern for word in _OURS)


def _inspect(name: str, problems: list[str], encoding: str | None, is_ours: IsOurs) -> Source | None:
    """Make the source of one name, or add why it cannot be read to `problems`."""
    if name == "-":
        return Source(STDIN, None, _size_of_stdin(), resumable=False)
    path = Path(name)
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode) and not stat.S_ISDIR(status.st_mode):
            return Source(name, path, None, resumable=False)  # opening a FIFO here would end its writer
        with path.open("rb", buffering=0) as file:
            head = file.read(_LOOK_BYTES)
            foreign = None if is_ours(head) else find_foreign(name, head[:_HEAD_BYTES], encoding)
    except (OSError, ValueError) as error:
        problems.append(word_unreadable(name, error))
        return None
    if foreign:
        problems.append(foreign)
        return None
    return Source(name, path, status.st_size, resumable=True)


def _size_of_stdin() -> int | None:
    """Give the bytes that standard input still has where it is redirected from a regular file."""
    with suppress(OSError):
        status = os.fstat(0)
        if stat.S_ISREG(status.st_mode):
            return max(status.st_size - os.lseek(0, 0, os.SEEK_CUR), 0)
    return None


def _find_doubles(sources: Sequence[Source]) -> Iterator[str]:
    """Tell of every source that is there more than once, under whatever names."""
    if sum(source.path is None for source in sources) > 1:
        yield "-: standard input is named twice, and can be read only once: name it once"
    names: dict[tuple[int, int] | str, list[str]] = {}
    for source in sources:
        if source.path is not None:
            names.setdefault(_identify(source.path), []).append(source.name)
    for same in names.values():
        if len(same) > 1:
            yield f"{same[0]}: the same file is named twice ({', '.join(same)}); name it once"


def _identify(path: Path) -> tuple[int, int] | str:
    with suppress(OSError):
        status = path.stat()
        if status.st_ino:
            return status.st_dev, status.st_ino
    return os.path.realpath(path)
