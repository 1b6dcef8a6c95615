"""Before a run: makes sure that it is the same import as the one of its checkpoint, and leaves out what is settled.

Whatever would make the rest of an import differ from its beginning is named and refused; what only says how fast it
goes, or where rejects are written, may change. Knows neither click nor how events are sent.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from msgspec.structs import replace

from mpimport import fingerprint
from mpimport.auth import Auth
from mpimport.checkpoint import SourceState, State, text_of
from mpimport.continued import ContinuedInput
from mpimport.errors import UsageProblem
from mpimport.find_checkpoint import find, is_done, lacking, place_for, remove
from mpimport.inputs import FileInput
from mpimport.keeper import Keeper, is_begun
from mpimport.mark import Ranges, count, cut
from mpimport.plan import Input
from mpimport.recorded import find_rejects
from mpimport.same import account_of, destination_of, find_changes, lasting
from mpimport.settings import Settings
from mpimport.settle import rejected_paths

_log = logging.getLogger(__name__)


class Resumed(NamedTuple):
    """What a run goes on with: the keeper of its checkpoint, or None, and the inputs without what is settled."""

    keeper: Keeper | None
    inputs: Sequence[Input]


def resume(
    settings: Settings,
    inputs: Sequence[Input],
    url: str,
    auth: Auth,
    stack: ExitStack,
    clock: Callable[[], float] = time.monotonic,
) -> Resumed:
    """Go on where an earlier run of the same import stopped; `stack` holds the lock until the run has ended.

    From here on the checkpoint is there, for another run to meet; it goes when `stack` is closed, if all is done then.
    Raises UsageProblem, before anything is sent, when the import is not the same any more, or no checkpoint can be
    kept; AlreadyRunning when another process is at it.
    """
    files = [source for source in inputs if isinstance(source, FileInput) and source.resumable]
    if not _is_kept(settings, whole=len(files) == len(inputs)):
        return Resumed(None, inputs)
    new = State(
        destination=destination_of(auth, url, sandbox=settings.run.sandbox),
        account=account_of(auth),
        settings=lasting(settings),
        sources=tuple(_name_apart(map(_look_at, files), ())),
    )
    with place_for(settings) as folder:
        path, old, stale = find(settings, new, folder, stack)
        keeper, going_on = _begin(settings, path, old, new, files, clock)
        keeper.begin()
        for one in stale:
            remove(one)
    stack.push(keeper.close)
    return Resumed(keeper, going_on)


def _begin(
    settings: Settings,
    path: Path,
    old: State | None,
    new: State,
    files: Sequence[FileInput],
    clock: Callable[[], float],
) -> tuple[Keeper, Sequence[Input]]:
    """Give the keeper of an import that goes on from `old`, or begins, and what is left to read."""
    path_of, names = rejected_paths(settings.run.rejected), [source.name for source in files]
    problems = [] if old is None else [*find_changes(old, new), *_changed_sources(old, files)]
    if old is None or (problems and not is_begun(old)):  # it was killed at its first reject: nothing hangs on it
        begun = replace(new, rejects=find_rejects(new, new, path_of, names).files)
        return Keeper(path, begun, written_as=_written_as(names, begun), clock=clock), files
    if problems:
        raise UsageProblem(
            *problems,
            f"so this does not go on with the import that was begun (its checkpoint is {path}): put back what was "
            f"changed and run it again, or begin anew with --restart",
        )
    state, going_on = _join(old, new, files)
    if is_begun(old):
        _log.info(
            "going on with an import: %s events were imported before, %s rejected (--restart begins anew); %s",
            f"{old.imported:,}",
            f"{old.rejected:,}",
            path,
        )
    found = find_rejects(old, state, path_of, names)
    keeper = Keeper(
        path,
        replace(state, rejects=found.files, reopened=state.reopened if found.whole else ()),
        recorded=found.lines,
        written_as=_written_as(names, state),
        earlier_files=found.earlier,
        clock=clock,
    )
    return keeper, going_on


def _is_kept(settings: Settings, *, whole: bool) -> bool:
    run = settings.run
    if run.dry_run or not run.keeps_checkpoint:
        return False
    if not whole:
        level = logging.WARNING if run.checkpoint else logging.DEBUG
        _log.log(level, "no checkpoint is kept: a source can be read only once, so no run could go on from it")
        return False
    return not run.sandbox or run.checkpoint is not None  # a sandbox is gone with what it holds


def _look_at(source: FileInput) -> SourceState:
    path = _path(source)
    try:
        return SourceState(text_of(path), text_of_name(source.name), fingerprint.take(path))
    except OSError as error:
        raise UsageProblem(f"{source.name}: cannot be read: {error.strerror or error}; check the file") from error


def _name_apart(sources: Iterable[SourceState], taken: Iterable[str]) -> Iterator[SourceState]:
    """Give each source a name of its own, under which its rejects are written: its path, where the name is taken."""
    names = set(taken)
    for source in sources:
        apart = replace(source, name=source.path) if source.name in names else source
        names.add(apart.name)
        yield apart


def _written_as(names: Sequence[str], state: State) -> dict[str, str]:
    """Give what rejects of a source are written with, where that is not its name of now.

    It is the name that the import began with: it may be told from elsewhere now, and mean another file there.
    """
    pairs = zip(names, state.sources, strict=True)
    return {name: source.name for name, source in pairs if source.name != text_of_name(name)}


def _path(source: FileInput) -> Path:
    assert source.path is not None  # a regular file has one
    return source.path


def text_of_name(name: str) -> str:
    """Write the name of a source as the rejected-events file does."""
    return name.encode(errors="replace").decode()


def _changed_sources(old: State, files: Sequence[FileInput]) -> Iterator[str]:
    """Tell of every source that is not what it was, or is not there any more."""
    now = {text_of(_path(source)): source for source in files}
    for before in lacking(old, now):
        yield f"{before.name}: is not among the sources any more, and was not imported to its end"
    for before in old.sources:
        source = now.get(before.path)
        if source is not None and before.settled:
            try:
                difference = fingerprint.find_difference(_path(source), before.fingerprint)
                if difference is None and _place(before) > _path(source).stat().st_size:
                    difference = "it is shorter than what was read of it"
            except OSError as error:
                difference = f"it cannot be read: {error.strerror or error}"
            if difference:
                yield f"{source.name}: has changed since it was begun: {difference}"


def _place(before: SourceState) -> int:
    """Give how many bytes of a file were surely read."""
    return max((one.offset or 0 for one in before.settled), default=0)


def _join(old: State, new: State, files: Sequence[FileInput]) -> tuple[State, Sequence[Input]]:
    """Give the state to go on from, and the inputs without what is settled."""
    known = {source.path: source for source in old.sources}
    added = (source for source in new.sources if source.path not in known)
    named = {source.path: source for source in _name_apart(added, [source.name for source in old.sources])}
    state = old
    sources: list[SourceState] = []
    inputs: list[Input] = []
    going_on: Input
    for one, source in zip(new.sources, files, strict=True):
        before = known.get(one.path)
        now = named[one.path] if before is None else replace(one, name=before.name)
        if before is not None and fingerprint.find_difference(_path(source), before.fingerprint) is None:
            source.columns = before.columns
        if before is None or not before.settled:
            now, going_on = replace(now, columns=source.columns), source
        else:
            now, going_on = _go_on(before, now, source)
            state = _take_back(state, before, now)
        sources.append(now)
        inputs.append(going_on)
    return replace(state, sources=tuple(sources)), inputs


def _go_on(before: SourceState, now: SourceState, source: FileInput) -> tuple[SourceState, Input]:
    """Give the state of a source that is settled in part, and what is left of it."""
    size = now.fingerprint.size
    settled = _without_open_end(before, size)
    reopened = settled is not before.settled
    source.open_end = None if reopened else before.open_end
    now = replace(
        now,
        settled=settled,
        ended=before.ended if before.ended is not None and before.ended[0] >= size else None,
        columns=before.columns,
        open_end=source.open_end,
        open_rejected=0 if reopened else before.open_rejected,
        open_rejects=() if reopened else before.open_rejects,
    )
    if size > before.fingerprint.size:
        _log.info("%s: has grown from %s to %s bytes", source.name, f"{before.fingerprint.size:,}", f"{size:,}")
    if reopened:
        _log.info(
            "%s: its last record may have gone on, and is read again; where it was rejected, that stays on file",
            source.name,
        )
    done = is_done(before) and before.ended is not None and before.ended[0] == size
    return now, ContinuedInput(source, settled, done=done)


def _take_back(state: State, before: SourceState, now: SourceState) -> State:
    """Count out what was settled and is read again."""
    again = count(before.settled) - count(now.settled)
    if not again:
        return state
    return replace(
        state,
        imported=state.imported - max(0, again - before.open_rejected),
        rejected=state.rejected - before.open_rejected,
        reopened=(*state.reopened, *before.open_rejects),
    )


def _without_open_end(before: SourceState, size: int) -> Ranges:
    """Give what is settled, but not a record that was still being written when it was read, if the file has grown."""
    if before.open_end is None or size <= before.open_end[0]:
        return before.settled
    return cut(before.settled, before.open_end[1])
