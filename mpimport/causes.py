"""What went wrong in a run: each cause is told once, by the summary or, where the run goes on for long, before it.

Must not know batches, sources, or what is stopped.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator

from mpimport.account import worst_of
from mpimport.errors import MpimportError
from mpimport.report import Report


class Causes:
    """The errors of a run, in the order in which they were met."""

    def __init__(self, report: Report) -> None:
        """Begin with none; tell them to `report`."""
        self._report = report
        self._errors: list[MpimportError] = []
        self._held: list[MpimportError] = []  # those of them that only the summary tells

    def add(self, error: MpimportError) -> None:
        """Take down an error that was told in other words."""
        self._errors.append(error)

    def warn(self, error: MpimportError) -> None:
        """Take down an error, and tell it now, for the run goes on."""
        self._errors.append(error)
        self._report.say(logging.WARNING, str(error))

    def hold(self, error: MpimportError) -> None:
        """Take down an error behind which the summary comes soon, and tells it."""
        self._errors.append(error)
        self._held.append(error)
        self._report.ends(str(error))

    def has(self, kind: type[MpimportError]) -> bool:
        """Whether there is an error of a kind."""
        return any(isinstance(error, kind) for error in self._errors)

    @property
    def worst(self) -> MpimportError | None:
        """What the run is told to have ended with."""
        return worst_of(self._errors)

    def beside(self, stopped: str) -> Iterator[str]:
        """Give what only the summary can tell, beside what it says that stopped the run."""
        return (words for words in dict.fromkeys(map(str, self._held)) if words != stopped)

    def tell(self) -> None:
        """Tell what is held, for there is no summary to do so."""
        for words in self.beside(""):
            self._report.say(logging.WARNING, words)
