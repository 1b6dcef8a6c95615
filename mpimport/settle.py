"""Settling: what became of a batch is recorded once: write rejects -> flush -> tally -> mark -> checkpoint.

Owns the rejected-events files, the undelivered files and the tally. Knows neither senders nor inputs.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mpimport.account import Tally, rejects_of
from mpimport.batch import number_of
from mpimport.body import event_lines
from mpimport.checkpoint import text_of
from mpimport.errors import CannotWrite
from mpimport.keeper import Keeper
from mpimport.line_file import LineFiles
from mpimport.records import Batch, Outcome, Reject
from mpimport.rejects import line_of
from mpimport.summary_text import many, megabytes

if TYPE_CHECKING:
    from mpimport.audit import Audit  # loaded by a dry run only
    from mpimport.census import Census  # loaded where there is to be a report

UNDELIVERED = ".undelivered.ndjson"  # added to the name of the rejected-events file


def rejected_paths(rejected: str | None) -> Callable[[str], Path]:
    """Give where a source's rejects go: into the one file that was named, or beside each source."""

    def path_of(source: str) -> Path:
        return Path(rejected) if rejected is not None else Path(f"{_beside(source)}.rejected.ndjson")

    return path_of


def _beside(source: str) -> str:
    """Give what the file for a source's rejects is named after: beside the source, where files can be."""
    if not source.startswith(("/dev/", "/proc/")) or source.startswith("/dev/shm/"):  # noqa: S108  files of the user's
        return source
    *_, folder, name = Path(source).parts
    return f"fd{name}" if folder == "fd" else name  # a shell names `<(command)` /dev/fd/63


class Settler:
    """Records outcomes. `rejected_path(source)` names the file for a source's rejects.

    `keeps(source)` says whether undelivered events have to be saved, because the source cannot be read again.
    """

    def __init__(
        self,
        rejected_path: Callable[[str], Path],
        keeps: Callable[[str], bool],
        audit: Audit | None = None,
        keeper: Keeper | None = None,
        census: Census | None = None,
    ) -> None:
        """Make no file yet. `audit` is shown the events of a dry run; `keeper` is told what the next run can skip.

        `census` is shown the events that arrived, or would.
        """
        self.tally = Tally()
        self.unsaved = 0  # events of what cannot be read again that no file has taken
        if keeper is not None:
            self.tally.already_imported = keeper.imported_before
            self.tally.already_rejected = keeper.rejected_before
        self._audit = audit
        self._keeper = keeper
        self._census = census
        self._rejected: Counter[Path] = Counter()  # rejects by file
        self._rejected_path = rejected_path
        self._keeps = keeps
        self._files = LineFiles()
        self._undelivered = LineFiles()
        for name in keeper.earlier_files if keeper is not None else ():
            self._files.watch(Path(name))

    @property
    def rejected_files(self) -> tuple[str, ...]:
        """The rejected-events files that hold rejects of this import, those of earlier runs first."""
        earlier = self._keeper.earlier_files if self._keeper is not None else ()
        known = {text_of(Path(name)) for name in earlier}
        return (*earlier, *(str(path) for path in self._rejected if text_of(path) not in known))

    @property
    def undelivered_files(self) -> tuple[str, ...]:
        """The files of undelivered events that were written."""
        return tuple(str(file.path) for file in self._undelivered.written)

    @property
    def notes(self) -> tuple[str, ...]:
        """Say of the files of rejects that they held something before this import, so that nobody counts it in."""
        earlier = self._keeper.earlier_files if self._keeper is not None else ()
        known = {text_of(Path(name)) for name in earlier}
        return tuple(
            f"{file.path}: {many(file.lines, 'line')} added to the {megabytes(file.held)} that it held before; where "
            "those are of the same source (a dry run writes them, too), events stand in it twice"
            for file in self._files.written
            if file.held and text_of(file.path) not in known
        )

    def settle(self, outcome: Outcome) -> CannotWrite | None:
        """Record what became of a batch; rejects that cannot be written count as undelivered, and it is said.

        So do those of a batch that the next run takes up again: it finds them again, and each is recorded once.
        """
        rejects = rejects_of(outcome)
        again = self._keeper is not None and bool(outcome.undelivered)
        problem = None if again else self._write_rejects(rejects)
        if again or problem is not None:
            self.tally.undelivered += len(rejects)
            self.unsaved += sum(self._keeps(reject.source) for reject in rejects)
            rejects = ()
        problem = self._save_undelivered(outcome) or problem
        self.tally.add(outcome, rejects)
        if self._census is not None and outcome.imported:
            refused = (refusal.index for refusal in outcome.refusals)
            self._census.add(outcome.batch, (*refused, *outcome.undelivered))
        if self._keeper is not None and not again:
            if problem is None:
                self._keeper.settled(outcome.batch.spans, outcome.imported, self._count(rejects), rejects)
            else:
                self._keeper.not_recorded()
        return problem

    def settle_dry(self, batch: Batch) -> CannotWrite | None:
        """Record a batch that a dry run would have sent."""
        problem = self._write_rejects(batch.rejects)
        if problem is not None:
            self.tally.undelivered += len(batch.rejects)
            self.unsaved += sum(self._keeps(reject.source) for reject in batch.rejects)
        self.tally.add_valid(batch, () if problem else batch.rejects)
        if self._audit is not None:
            self._audit.add(batch)
        if self._census is not None:
            self._census.add(batch)
        return problem

    def close(self) -> CannotWrite | None:
        """Close all files; some systems tell only then that they did not keep what was written."""
        problem = None
        for path, error in {**self._files.close(), **self._undelivered.close()}.items():
            problem = CannotWrite(f"{path}: {_reason(error)} (noticed when it was closed); look what it holds")
        return problem

    def _write_rejects(self, rejects: Sequence[Reject]) -> CannotWrite | None:
        by_source: defaultdict[str, list[bytes]] = defaultdict(list)
        write = line_of if self._keeper is None else self._keeper.line_of
        for reject in rejects if self._keeper is None else self._keeper.take_unrecorded(rejects):
            by_source[reject.source].append(write(reject))
        by_path: defaultdict[Path, list[bytes]] = defaultdict(list)
        for source, lines in by_source.items():
            by_path[self._rejected_path(source)] += lines
        once_only = any(map(self._keeps, by_source))
        problem = _append(self._files, by_path, f"mend that and {_GIVE_AGAIN if once_only else _RUN_AGAIN}")
        if problem is None:
            self._rejected.update(self._count(rejects))
        return problem

    def _count(self, rejects: Sequence[Reject]) -> Counter[Path]:
        """Count the rejects by file; a path is made once a source, not once a reject."""
        by_path: Counter[Path] = Counter()
        for source, count in Counter(reject.source for reject in rejects).items():
            by_path[self._rejected_path(source)] += count
        return by_path

    def _save_undelivered(self, outcome: Outcome) -> CannotWrite | None:
        if not outcome.undelivered:
            return None
        sources = [number_of(outcome.batch, index)[0] for index in outcome.undelivered]
        keep = {source for source in set(sources) if self._keeps(source)}
        if not keep:
            return None
        events = event_lines(outcome.batch.lines)
        by_path: defaultdict[Path, list[bytes]] = defaultdict(list)
        for source, index in zip(sources, outcome.undelivered, strict=True):
            if source in keep:
                by_path[undelivered_path(self._rejected_path(source))].append(events[index] + b"\n")
        problem = _append(self._undelivered, by_path, f"it was to keep what was not delivered: {_GIVE_AGAIN}")
        self.unsaved += sum(map(len, by_path.values())) if problem else 0
        return problem


def undelivered_path(rejected: Path) -> Path:
    """Give where events go that cannot be delivered or read again, beside the file for rejects."""
    return rejected.with_name(rejected.name + UNDELIVERED)


def _reason(error: OSError) -> str:
    return error.strerror or str(error)


_RUN_AGAIN, _GIVE_AGAIN = "run the same command again", "give the same input again"


def _append(files: LineFiles, by_path: dict[Path, list[bytes]], advice: str) -> CannotWrite | None:
    for path, lines in by_path.items():
        try:
            files.append(path, lines)
        except OSError as error:
            return CannotWrite(f"{path}: cannot be written: {_reason(error)}; {advice}")
    return None
