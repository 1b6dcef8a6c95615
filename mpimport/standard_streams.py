"""The standard streams of a process, which may have been given none or lose them; what they can show. A leaf."""

from __future__ import annotations

import os
import select
import signal
import stat
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, TextIO

_MAKES_ROOM_S = 1.0  # who reads at all has made room by then


def let_go(stream: TextIO) -> None:
    """Flush a standard stream; when it cannot be, let the interpreter not try again and change the exit code."""
    try:
        stream.flush()
    except (OSError, ValueError):
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def give_up_stuck() -> None:
    """Close standard output and error where nobody makes room in them: a write that waits for that fails instead.

    A handler of signals may call it: the write that it has interrupted is tried again by the interpreter.
    """
    for descriptor in (1, 2):
        with suppress(OSError, ValueError):  # Windows waits for sockets only
            if not select.select([], [descriptor], [], _MAKES_ROOM_S)[1]:
                closed = os.open(os.devnull, os.O_RDONLY)
                os.dup2(closed, descriptor)
                os.close(closed)


def open_closed() -> None:
    """Put nothing in the place of a standard stream that is closed, before a file of ours takes its number."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            with suppress(OSError):
                os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
            setattr(sys, name, open(os.devnull, "w" if number else "r", encoding="utf-8"))  # noqa: PTH123, SIM115  for good


def is_missing(stream: TextIO | None) -> bool:
    """Whether a standard stream was closed from the start: what is written to it goes nowhere, and it holds nothing."""
    return stream is None or getattr(stream, "name", None) == os.devnull


def is_null(stream: TextIO) -> bool:
    """Whether a standard stream is the null device."""
    with suppress(OSError, ValueError):
        status = os.fstat(stream.fileno())
        # Windows gives every pipe the same number as the null device.
        return stat.S_ISCHR(status.st_mode) and os.path.samestat(status, Path(os.devnull).stat())
    return False


def make_blocking(stdin: BinaryIO) -> None:
    """Undo O_NONBLOCK, which a pipe may inherit: its reader would take a pause for the end."""
    with suppress(OSError, ValueError, AttributeError):
        if not os.get_blocking(stdin.fileno()):
            os.set_blocking(stdin.fileno(), True)


def draws_blocks(out: TextIO) -> bool:
    """Whether block characters can be written to a stream, or it takes plain ASCII to draw."""
    try:
        "\u2588".encode(out.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def on_return(forget: Callable[[], None]) -> None:
    """Call this when the process goes on after Ctrl-Z: a shell has written below what was drawn on the terminal."""
    goes_on = getattr(signal, "SIGCONT", None)  # Windows has none
    if goes_on is not None and threading.current_thread() is threading.main_thread():
        signal.signal(goes_on, lambda *_: forget())


def columns_of(terminal: TextIO) -> int:
    """Give the width of a terminal: what COLUMNS says, else what it has itself, else 80."""
    given, columns = os.environ.get("COLUMNS", ""), 0
    with suppress(OSError, ValueError):
        columns = int(given) if given.isdecimal() else os.get_terminal_size(terminal.fileno()).columns
    return columns or 80


def wraps_anew(environ: Mapping[str, str]) -> bool:
    """Whether a terminal that becomes narrower wraps the rows that it shows, so that they take more of them.

    It cannot be asked. Most do; xterm and GNU screen cut the rows instead, and so does PuTTY, which calls itself xterm.
    """
    term = environ.get("TERM", "")
    cuts = "XTERM_VERSION" in environ or "STY" in environ or term in {"xterm", "screen"} or term.startswith("screen.")
    return "TMUX" in environ or not cuts
