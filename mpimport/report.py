"""What a person sees while it runs: a progress display on a terminal, one plain line a period without, log lines.

The only user of `rich`, which is imported when there is a terminal to draw on. Everything goes to standard
error. Knows nothing of the pipeline's inside: it is given a `Progress` when it asks.
"""

from __future__ import annotations

import json
import logging
import os
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Protocol, TextIO

from mpimport.printable import clean
from mpimport.progress import Progress, progress_line, roughly
from mpimport.standard_streams import columns_of, on_return, wraps_anew
from mpimport.summary_text import TOP_REASONS, many, megabytes

if TYPE_CHECKING:
    from rich.console import Console, Group

PLAIN_PERIOD_S = 10.0
DRAW_PERIOD_S = 0.2
DRAW_AFTER_S = 1.0  # a quick run shows no bar that flashes


class Report(Protocol):
    """Where the pipeline tells what happens. `tick` is called often and asks for a Progress when it needs one."""

    def tick(self, progress: Callable[[], Progress]) -> None:
        """Show how far it is, if it is time to."""

    def say(self, level: int, message: str, **fields: Any) -> None:
        """Tell something, with a level of `logging`: WARNING lost nothing, ERROR needs somebody."""

    def ends(self, message: str) -> None:
        """Tell why the run is to end. Nothing is said of it where the summary follows, which says it."""

    def close(self) -> None:
        """End the display."""


class Lines:
    """Plain text or JSON lines, no control characters: for files, cron and containers."""

    def __init__(
        self,
        out: TextIO,
        *,
        level: int = logging.INFO,
        as_json: bool = False,
        period_s: float | None = PLAIN_PERIOD_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Write to `out` what has at least `level`; progress each `period_s` seconds, or never (None)."""
        self._out = out
        self._level = level
        self._as_json = as_json
        self._period_s = period_s
        self._clock = clock
        self._next = clock() + (period_s or 0.0)

    def tick(self, progress: Callable[[], Progress]) -> None:
        """Write a line when the period is over."""
        if self._period_s is None or self._level > logging.INFO or self._clock() < self._next:
            return
        self._next = self._clock() + self._period_s
        now = progress()
        self.say(logging.INFO, progress_line(now), **(now.as_json() if self._as_json else {}))

    def say(self, level: int, message: str, **fields: Any) -> None:
        """Write one line."""
        if level < self._level:
            return
        moment = now_as_text()
        if self._as_json:
            name = logging.getLevelName(level).lower()
            line = json.dumps({"ts": moment, "level": name, "message": message, **fields}, default=str)
        else:
            word = "" if level <= logging.INFO else f"{logging.getLevelName(level).lower()}: "
            line = f"{moment} {word}{clean(message)}"
        write(self._out, line + "\n")

    def ends(self, message: str) -> None:
        """Say nothing: the summary does."""

    def close(self) -> None:
        """Nothing is open."""


class Screen:
    """A live display on a terminal, drawn by the main thread; what is said scrolls by above it."""

    def __init__(self, out: TextIO, *, level: int = logging.INFO, clock: Callable[[], float] = time.monotonic) -> None:
        """Draw on the terminal `out`; say what has at least `level`."""
        self._out = out
        self._level = level
        self._clock = clock
        self._next = clock() + DRAW_AFTER_S
        self._console: Console | None = None
        self._picture: Group | None = None
        self._drawn: list[int] = []  # columns of the rows of the display as they were drawn

    def tick(self, progress: Callable[[], Progress]) -> None:
        """Draw, a few times a second."""
        if self._clock() < self._next:
            return
        self._next = self._clock() + DRAW_PERIOD_S
        if self._picture is None:
            on_return(self._drawn.clear)
        self._picture = draw(progress(), self._terminal().width)
        self._show()

    def _show(self, text: str = "", style: str = "") -> None:
        """Put the picture in the place of the one that is shown, with text above it where there is some.

        Not rich's `Live`, which does not know that a row takes several when its terminal becomes narrower.
        """
        with suppress(OSError), self._terminal() as terminal:  # written at once, so that nothing flickers
            self._take_away(terminal)
            if text:
                terminal.print(text, style=style, markup=False, soft_wrap=True)
            if self._picture is not None:
                terminal.print(self._picture)
                lines = terminal.render_lines(self._picture, pad=False)
                self._drawn[:] = [sum(segment.cell_length for segment in row) for row in lines]

    def _take_away(self, terminal: Console) -> None:
        from rich.control import Control  # noqa: PLC0415  only on a terminal
        from rich.segment import ControlType  # noqa: PLC0415

        if not self._drawn:
            return
        rows = [max(1, -(-columns // terminal.width)) if wraps_anew(os.environ) else 1 for columns in self._drawn]
        # To the end of the line: where a whole line is erased, VTE keeps blanks in it, and wraps these, too.
        up = ((ControlType.CURSOR_UP, 1), (ControlType.ERASE_IN_LINE, 0))
        terminal.control(Control(ControlType.CARRIAGE_RETURN, (ControlType.ERASE_IN_LINE, 0), *up * sum(rows)))
        self._drawn.clear()

    def _terminal(self) -> Console:
        from rich.console import Console  # noqa: PLC0415  as above

        if self._console is None:
            self._console = Console(file=self._out, highlight=False)
        return self._console

    def say(self, level: int, message: str, **_: Any) -> None:
        """Print one line above the display."""
        if level < self._level:
            return
        word, style = _WORDS.get(level, ("", ""))
        text = "\n".join(_wrapped(f"{word}{clean(message)}", columns_of(self._out)))
        if self._picture is None:
            write(self._out, f"{text}\n")
        else:
            self._show(text, style)

    def ends(self, message: str) -> None:
        """Say nothing: the summary does."""

    def close(self) -> None:
        """Take the display off the screen."""
        if self._picture is not None:
            self._picture = None
            self._show()


_WORDS = {logging.WARNING: ("warning: ", "yellow"), logging.ERROR: ("error: ", "red")}


def draw(now: Progress, width: int = 80) -> Group:
    """Draw how far it is: a bar with the share and the time left, the counts, and what is waited for.

    What is named first matters most: where the terminal is narrow, the rest goes.
    """
    from rich.console import Group  # noqa: PLC0415  only on a terminal
    from rich.progress_bar import ProgressBar  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    share = now.share
    top = Table.grid(padding=(0, 1), expand=True)
    top.add_column(no_wrap=True, max_width=max(8, width // 4), overflow="ellipsis")
    top.add_column(ratio=1)
    top.add_column(no_wrap=True, justify="right")
    bar: ProgressBar | Text = Text()  # where the end is not known, there is no part to show
    if share is not None:
        bar = ProgressBar(total=1.0, completed=share, style="dim", complete_style="none", finished_style="none")
    top.add_row(Text(clean(now.source or now.phase)), bar, Text(_how_far(now, with_bytes=width >= _WIDE)))
    counts = Text()
    counts.append(f"{now.imported:,} {now.outcome}", style="green" if now.imported else "")
    counts.append(f"  {now.rejected:,} rejected", style="yellow" if now.rejected else "")
    if not now.checks_only:
        counts.append(f"  {many(now.retries, 'failed request')}", style="yellow" if now.retries else "")
        counts.append(f"  {now.flow.under_way} in flight")
    counts.append(f"  {now.rate:,.0f} events/s" if now.rate else "")
    rows: list[Table | Text] = [top, counts]
    doing = "" if now.phase in ("importing", "checking") or not now.source else now.phase
    if doing or now.held:
        rows.append(Text(clean(", ".join(filter(None, (doing, now.held)))), style="yellow" if now.held else ""))
    return Group(*rows)


_WIDE = 60  # columns from which there is room for the bytes, beside the share and the time that is left


def _how_far(now: Progress, *, with_bytes: bool) -> str:
    share = f"{now.share:.0%}" if now.share is not None else ""
    of = f" of {megabytes(now.total_bytes)}" if now.total_bytes else ""
    left = f"{roughly(now.seconds_left)} left" if now.seconds_left is not None else ""
    done = f"{megabytes(now.bytes_done)}{of}" if with_bytes or not share else ""
    return ", ".join(filter(None, (f"{share} {done}".strip(), left)))


def now_as_text() -> str:
    """Write the time and its zone, as lines of a log begin."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def print_summary(lines_with: Callable[[int], list[str]], out: TextIO, *, exit_code: int) -> None:
    """Print the summary, its first line coloured by how it ended, or in a log with the time.

    `lines_with` gives its lines with at most so many reasons. A terminal gets as many as fit its screen, at least 1.
    """
    if not out.isatty():
        write(out, f"{now_as_text()} " + "\n".join(lines_with(TOP_REASONS)) + "\n")
        return
    from rich.console import Console  # noqa: PLC0415  only on a terminal

    console = Console(file=out, highlight=False)
    for most in range(TOP_REASONS, 0, -1):
        lines = [list(_wrapped(line, console.width)) for line in lines_with(most)]
        if sum(map(len, lines)) < console.height:
            break
    style = {0: "bold green", 1: "bold yellow"}.get(exit_code, "bold red")
    with suppress(OSError):
        for number, rows in enumerate(lines):
            for row in rows:
                console.print(row, style=None if number else style, markup=False, soft_wrap=True)


def _wrapped(line: str, width: int) -> Iterator[str]:
    """Wrap a line between words, with the rest a little further in than its own beginning. Paths stay whole."""
    indent = " " * (len(line) - len(line.lstrip()) + 2)
    yield from textwrap.wrap(
        line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False, drop_whitespace=True
    ) or [""]


def write(out: TextIO, text: str) -> bool:
    """Write text if it can be: what a run did must not depend on whether somebody reads of it. False: it cannot."""
    try:
        out.write(text)
        out.flush()
    except (OSError, ValueError):  # nobody reads it, no room for it, closed
        return False
    return True


def choose(out: TextIO, *, progress: bool | None, level: int, as_json: bool) -> Report:
    """Choose how to report: a display where `out` is a terminal, else lines; `progress` False shows none."""
    terminal = out.isatty() and not as_json and os.environ.get("TERM") != "dumb"
    if terminal and progress is not False and level <= logging.INFO:
        return Screen(out, level=level)
    period_s = None if progress is False else PLAIN_PERIOD_S
    return Lines(out, level=level, as_json=as_json, period_s=period_s)


@contextmanager
def route_logging(report: Report) -> Iterator[None]:
    """Let what our modules log with `logging` be said by the report while the block runs."""
    handler = _Handler(report)
    logger = logging.getLogger("mpimport")
    logger.addHandler(handler)
    propagate, level = logger.propagate, logger.level
    logger.propagate = False
    logger.setLevel(logging.DEBUG)  # the report chooses; the root logger would let warnings pass only
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.propagate = propagate
        logger.setLevel(level)


class _Handler(logging.Handler):
    def __init__(self, report: Report) -> None:
        super().__init__()
        self._report = report

    def emit(self, record: logging.LogRecord) -> None:
        for line in self.format(record).splitlines():
            self._report.say(record.levelno, line)
