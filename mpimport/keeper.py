"""The checkpoint of a run that is under way: told of each batch that is settled, and written now and then.

A file that cannot be written stops nothing: the one before it stays true, for what settled since is only done again.
Knows neither senders nor what a batch holds.
"""

from __future__ import annotations

import dataclasses
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from msgspec.structs import replace

from mpimport import checkpoint
from mpimport.account import Summary
from mpimport.checkpoint import RejectedFile, State, text_of
from mpimport.mark import Range, add
from mpimport.records import Reject, Span
from mpimport.rejects import digest_of, line_of

PERIOD_S = 1.0
_MOST_OPEN = 1000  # rejects of one source that are kept one by one; it has so many behind a quote that is not closed
_SHARE = 20  # of the time at most one part in so many goes into writing, however slow the disk is

_log = logging.getLogger(__name__)


class Keeper:
    """Keeps the state of a run at `path`, from its very beginning: another run that begins now has to meet it.

    `recorded`: the lines of rejects, by digest, that stand in their file already, though their batch is not settled:
    a run was killed between the two. They, and those that are reopened, are not written a second time. The file itself
    is never cut back, for somebody else may have added to it. `written_as`: what rejects are written with where that
    is not the name of their source.
    """

    def __init__(
        self,
        path: Path,
        state: State,
        *,
        recorded: Mapping[bytes, int] | None = None,
        written_as: Mapping[str, str] | None = None,
        earlier_files: Sequence[str] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Go on from `state`. `earlier_files`: where earlier runs wrote rejects, as the user is told it."""
        self.path = path
        self.resumed = is_begun(state)
        self.earlier_files = tuple(earlier_files)
        self.imported_before = state.imported
        self.rejected_before = state.rejected
        self.trouble: str | None = None
        self._state = state
        self._settled = [source.settled for source in state.sources]
        self._ended = [source.ended for source in state.sources]
        self._columns = [source.columns for source in state.sources]
        self._open_ends = [source.open_end for source in state.sources]
        self._followed = [source.settled[-1].next if source.settled else 1 for source in state.sources]
        self._recorded = Counter(recorded)
        self._reopened = Counter(map(bytes.fromhex, state.reopened))
        self._open_rejected = [source.open_rejected for source in state.sources]
        self._open_rejects = [list(source.open_rejects) for source in state.sources]
        self._index = {source.name: number for number, source in enumerate(state.sources)}
        self._written_as = written_as or {}
        self._files = dict(state.rejects)
        self._written: dict[str, Path] = {}  # files that got lines since the last save
        self._frozen = False
        self._needed = self.resumed
        self._changed = False
        self._columns_changed = False
        self._clock = clock
        self._due = clock()

    def begin(self) -> None:
        """Write down, before anything is sent or recorded, that the run is under way and where the files end."""
        self._state = replace(self._state, orderly=False)
        self.save()
        self._due = self._clock()

    def take_unrecorded(self, rejects: Sequence[Reject]) -> Sequence[Reject]:
        """Give the rejects that do not stand in their file yet; those that do are asked for once."""
        return [one for one in rejects if not self._take(one)] if self._recorded or self._reopened else rejects

    def line_of(self, reject: Reject) -> bytes:
        """Write a reject as its line of the file."""
        name = self._written_as.get(reject.source)
        return line_of(reject if name is None else dataclasses.replace(reject, source=name))

    def _take(self, reject: Reject) -> bool:
        digest = digest_of(self.line_of(reject))
        for known in (self._recorded, self._reopened):
            if known[digest] > 0:
                known.subtract((digest,))
                return True
        return False

    def settled(
        self, spans: Iterable[Span], imported: int, rejected: Mapping[Path, int], rejects: Sequence[Reject] = ()
    ) -> None:
        """Take down that everything of a batch is stored or stands in a rejected-events file.

        `rejected` counts the `rejects` by file; of those at an end that may go on, it is kept which they are.
        """
        if any(self._open_ends):
            for reject in rejects:
                self._keep_if_open(reject)
        for span in spans:
            new = Range(span.first, span.next, span.offset)
            self._settled[span.source] = add(self._settled[span.source], new)
        for path, lines in rejected.items():
            name = text_of(path)
            before = self._files.get(name, RejectedFile(0))
            self._files[name] = replace(before, lines=before.lines + lines)
            self._written[name] = path
        self._state = replace(
            self._state,
            imported=self._state.imported + imported,
            rejected=self._state.rejected + sum(rejected.values()),
        )
        self._changed = True
        self.tick()

    def _keep_if_open(self, reject: Reject) -> None:
        name = self._written_as.get(reject.source, reject.source.encode(errors="replace").decode())
        source = self._index[name]
        open_end = self._open_ends[source]
        if open_end is None or reject.number < open_end[1]:
            return
        self._open_rejected[source] += 1
        if len(self._open_rejects[source]) < _MOST_OPEN:
            self._open_rejects[source].append(digest_of(self.line_of(reject)).hex())

    def not_recorded(self) -> None:
        """Take down that some rejects of a batch may stand in a file, and others could not be written."""
        self._frozen = True

    def reads(self, source: int, columns: Mapping[str, str] | None, open_end: tuple[int, int] | None) -> None:
        """Take down, before a block of a source is made events of, what decides what they are, and which may go on."""
        if columns != self._columns[source] or open_end != self._open_ends[source]:
            self._columns_changed |= columns != self._columns[source]
            self._columns[source], self._open_ends[source] = columns, open_end
            self._changed = True
            self.tick()

    def sends(self) -> None:
        """Write, before a batch is sent, what its events hang on: read otherwise, they would get other ids.

        Not as soon as it is known: of many small tables, hundreds go into one batch.
        """
        if self._columns_changed:
            self._columns_changed = False
            self.save()

    def ended(self, source: int, nbytes: int, following: int) -> None:
        """Take down that a source of so many bytes was read to its end, and the number after its last record.

        Where nothing was left to read, `following` says nothing.
        """
        self._ended[source] = (nbytes, max(following, self._followed[source]))
        self._changed = True

    def tick(self) -> None:
        """Write what is new, if it is time to."""
        if self._changed and self._clock() >= self._due:
            self.save()

    def save(self) -> None:
        """Write what is new; when that fails it is said once."""
        began = self._clock()
        reopened = tuple(digest.hex() for digest in self._reopened.elements())
        self._state = replace(self._state, sources=self._sources(), rejects=self._rejects(), reopened=reopened)
        try:
            checkpoint.save(self.path, self._state)
            self._changed, self.trouble = False, None
        except OSError as error:
            if self.trouble is None:
                _log.warning("%s: the checkpoint cannot be written: %s; the run goes on", self.path, _why(error))
            self.trouble = f"{self.path}: the checkpoint could not be written ({_why(error)})"
        now = self._clock()
        self._due = now + max(PERIOD_S, _SHARE * (now - began))

    def finish(self, *, done: bool) -> Path | None:
        """Write the checkpoint, and give it if it is there; when all is done, or nothing, leave it to `close`."""
        hanging = self._frozen or any(self._recorded.values())
        self._needed = not done and (hanging or any(self._settled))
        if self._needed:
            self._state = replace(self._state, orderly=not hanging)
            self.save()
        return self.path if self._needed and self.path.exists() else None

    def close(self, error: type[BaseException] | None = None, *_: object) -> None:
        """Take away a checkpoint that is not needed any more: the last act of a run, when all is told and closed.

        Who is killed before that runs again, and finds everything settled; so does who ends with an error.
        """
        try:
            if error is None and not self._needed:
                checkpoint.remove(self.path)
        except OSError as failed:
            _log.warning(
                "%s: the checkpoint of this run, which is done, cannot be removed: %s", self.path, _why(failed)
            )

    def _sources(self) -> tuple[checkpoint.SourceState, ...]:
        return tuple(
            replace(
                source,
                settled=self._settled[number],
                ended=self._ended[number],
                columns=self._columns[number],
                open_end=self._open_ends[number],
                open_rejected=self._open_rejected[number],
                open_rejects=tuple(self._open_rejects[number]),
            )
            for number, source in enumerate(self._state.sources)
        )

    def _rejects(self) -> dict[str, RejectedFile]:
        """Say from where on rejects of what is not settled stand: behind all that is there, if nothing hangs over."""
        for name, path in self._written.items():
            checkpoint.sync(path)
            if not self._frozen and not any(self._recorded.values()):
                with suppress(OSError):
                    self._files[name] = replace(self._files[name], scan_from=path.stat().st_size)
        self._written.clear()
        return dict(self._files)


def conclude(keeper: Keeper, summary: Summary) -> Summary:
    """End a run: the summary says where the next run goes on. The checkpoint of one that is done waits for `close`."""
    done = summary.exit_code in (0, 1) and not summary.undelivered
    left = keeper.finish(done=done)
    if keeper.trouble:
        again = "send again what this one has sent, which is harmless, and record its rejects a second time"
        after = "" if done else f": the next run may {again}"
        summary = summary.with_notes(keeper.trouble + after)
    return dataclasses.replace(summary, checkpoint=None if left is None else str(left))


def is_begun(state: State) -> bool:
    """Whether anything is settled, so that there is something to go on from."""
    return any(source.settled for source in state.sources)


def _why(error: OSError) -> str:
    return error.strerror or str(error)
