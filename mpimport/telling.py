"""The files that tell of a run beside its summary: reports and metrics, begun before it and written at its end.

A file that cannot be written changes nothing of the account: it is an error in the summary, and the exit code for it.
Knows neither what a report says nor what a metric is.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from mpimport.account import Summary
from mpimport.errors import MpimportError, UsageProblem
from mpimport.private_files import replace_file
from mpimport.report import Report
from mpimport.settings import RunSettings

if TYPE_CHECKING:
    from mpimport.census import Census
    from mpimport.history import History


class Telling:
    """What a run is to tell. `report` and `census` are for the run; they do more only where there is a report."""

    def __init__(self, run: RunSettings, sources: Sequence[str], report: Report) -> None:
        """Take what was asked for, and where else the run reports."""
        self.report = report
        self.census: Census | None = None
        self._history: History | None = None
        self._run = run
        self._sources = sources
        self._failed = False

    def begin(self, stack: ExitStack) -> None:
        """Begin to watch until `stack` ends, and write that the run has begun. UsageProblem: it cannot be written."""
        if self._run.reports:
            from mpimport.census import Census  # noqa: PLC0415  only where it was asked for
            from mpimport.history import History  # noqa: PLC0415

            self.census, self._history = Census(), History(self.report)
            self.report = self._history
            logger, handler = logging.getLogger("mpimport"), _Remembering(self._history)
            logger.addHandler(handler)
            stack.callback(logger.removeHandler, handler)
        if self._run.metrics is not None:
            from mpimport.metrics import begin, is_ours  # noqa: PLC0415  60 ms

            try:
                if not is_ours(Path(self._run.metrics)):
                    words = "holds something else than metrics of mpimport; name another file"
                    raise UsageProblem(f"--metrics {self._run.metrics}: {words}")
                begin(Path(self._run.metrics))
            except OSError as error:
                raise UsageProblem(_words("--metrics", self._run.metrics, error)) from error

    def end(self, summary: Summary) -> Summary:
        """Write what was asked for; the summary says where a report is, and what could not be written."""
        if self._history is not None:
            self._history.end(summary)
        for path in self._run.reports:
            summary = self._write("--report", path, summary, self._report_as(path))
        if self._run.metrics is not None:
            from mpimport.metrics import end  # noqa: PLC0415  60 ms

            summary = self._write("--metrics", self._run.metrics, summary, end)
        written = ", ".join(self._run.reports)
        return summary.with_notes(f"a report of this run is in {written}") if written and not self._failed else summary

    def _write(self, option: str, path: str, summary: Summary, write: Callable[[Path, Summary], None]) -> Summary:
        try:
            write(Path(path), summary)
        except OSError as error:
            return self._failure(_words(option, path, error), summary)
        except Exception as error:  # noqa: BLE001  the summary must not be lost with it
            words = f"{option} {path}: not written, which is a bug in mpimport: {type(error).__name__}: {error}"
            return replace(self._failure(words, summary), exit_code=MpimportError.exit_code)
        return summary

    def _failure(self, words: str, summary: Summary) -> Summary:
        self._failed = True
        return summary.with_unwritten(words)

    def _report_as(self, path: str) -> Callable[[Path, Summary], None]:
        from mpimport.report_page import page  # noqa: PLC0415  only where it was asked for
        from mpimport.run_report import Asked, report_of  # noqa: PLC0415

        def write(file: Path, summary: Summary) -> None:
            if self._history is None or self.census is None:
                return
            asked = Asked(self._sources, self._run.options)
            found = report_of(summary, asked, self._history, self.census)
            text = page(found) if path.lower().endswith(".html") else f"{json.dumps(found, indent=1)}\n"
            replace_file(file, text.encode(errors="replace"))

        return write


class _Remembering(logging.Handler):
    """Shows a history what modules log, which goes to the run's report by another way."""

    def __init__(self, history: History) -> None:
        super().__init__(logging.WARNING)
        self._history = history

    def emit(self, record: logging.LogRecord) -> None:
        self._history.remember(record.levelno, record.getMessage())


def _words(option: str, path: str, error: OSError) -> str:
    return f"{option} {path}: cannot be written: {error.strerror or error}"
