"""Before a run: finds the checkpoint of the same import, makes sure that it is the same, and holds its lock.

Whatever would make the rest of an import differ from its beginning is named and refused; what only says how fast it
goes, or where rejects are written, may change. Knows neither click nor how events are sent.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import NamedTuple

from msgspec.structs import replace

from mpimport import checkpoint, fingerprint
from mpimport.auth import Auth
from mpimport.checkpoint import SourceState, State, Unusable, text_of
from mpimport.continued import ContinuedInput
from mpimport.errors import UsageProblem
from mpimport.inputs import FileInput
from mpimport.keeper import Keeper, is_begun
from mpimport.lock import hold, word_unwritable
from mpimport.mark import Ranges, cut, is_whole
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
    path, old = _find(settings, new, stack)
    path_of, names = rejected_paths(settings.run.rejected), [source.name for source in files]
    problems = [] if old is None else [*find_changes(old, new), *_changed_sources(old, files)]
    if old is None or (problems and not is_begun(old)):  # it was killed at its first reject: nothing hangs on it
        begun = replace(new, rejects=find_rejects(new, new, path_of, names).files)
        return Resumed(Keeper(path, begun, written_as=_written_as(names, begun), clock=clock), inputs)
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
        replace(state, rejects=found.files),
        recorded=found.lines,
        written_as=_written_as(names, state),
        earlier_files=found.earlier,
        clock=clock,
    )
    return Resumed(keeper, going_on)


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
        raise UsageProblem(f"{source.name}: cannot be read: {error.strerror or error}") from error


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


def state_folder() -> Path:
    """Give the folder for checkpoints: where the user's system keeps what programs remember."""
    from platformdirs import user_state_path  # noqa: PLC0415  needed only with a checkpoint

    return user_state_path("mpimport", appauthor=False)


def _find(settings: Settings, new: State, stack: ExitStack) -> tuple[Path, State | None]:
    """Find the checkpoint and hold its lock; None where there is nothing to go on from."""
    own = {source.path for source in new.sources}
    others: list[tuple[Path, State]] = []
    if settings.run.checkpoint is not None:
        path = Path(settings.run.checkpoint)
        if obstacle := checkpoint.find_obstacle(path):
            raise UsageProblem(f"--checkpoint {settings.run.checkpoint}: {obstacle}; name another file")
    else:
        path = _make_folder() / checkpoint.name_of(new.destination, new.account, tuple(own))
        others = [] if path.exists() else list(_find_overlapping(path.parent, new))
        for other, _ in others:
            with hold(other):  # AlreadyRunning: some of the sources are being imported at this moment
                pass
        others = [(other, old) for other, old in others if is_begun(old)]
        if len(others) == 1 and not _lacking(others[0][1], own):
            path, others = others[0][0], []  # a glob that meets more files than before
    stack.enter_context(hold(path))
    if others and not settings.run.restart:
        raise UsageProblem(*(_word_overlap(other, old, own) for other, old in others))
    for other, _ in others:
        with ExitStack() as briefly:
            briefly.enter_context(hold(other))
            _remove(other)
    if settings.run.restart:
        _forget(path, named=settings.run.checkpoint is not None)
        return path, None
    try:
        old = checkpoint.load(path)
    except Unusable as unusable:
        instead = "begin anew with --restart" if unusable.ours or not settings.run.checkpoint else "name another file"
        raise UsageProblem(f"{path}: the checkpoint {unusable}; {instead}") from unusable
    return path, old


def _make_folder() -> Path:
    folder = state_folder()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        next(folder.iterdir(), None)
    except OSError as error:
        raise UsageProblem(word_unwritable(folder, error)) from error
    return folder


def _find_overlapping(folder: Path, new: State) -> Iterator[tuple[Path, State]]:
    """Find checkpoints of other imports to the same destination that some of the sources are part of."""
    own = {source.path for source in new.sources}
    for path in sorted(folder.glob("*.json")):
        with suppress(Unusable):
            old = checkpoint.load(path)
            same = old is not None and (old.destination, old.account) == (new.destination, new.account)
            if old is not None and same and any(source.path in own for source in old.sources):
                yield path, old


def _lacking(old: State, own: Collection[str]) -> list[SourceState]:
    """List the sources that an import had, does not have now, and is not done with."""
    return [one for one in old.sources if one.path not in own and not _is_done(one)]


def _word_overlap(path: Path, old: State, own: Collection[str]) -> str:
    shared = next(source.name for source in old.sources if source.path in own)
    all_of_it = ", ".join(source.name for source in old.sources[:5]) + (" ..." if len(old.sources) > 5 else "")
    return (
        f"{shared}: an import of {all_of_it} that is not finished has a part of it (its checkpoint is {path}): "
        f"run that again to finish it, or begin anew with --restart, which forgets it"
    )


def _forget(path: Path, *, named: bool) -> None:
    """Take away a checkpoint, whatever state it is in; but never a file that is none."""
    try:
        checkpoint.load(path)
    except Unusable as unusable:
        if named and not unusable.ours:
            raise UsageProblem(f"--checkpoint {path}: {unusable}; name another file") from unusable
    _remove(path)


def _remove(path: Path) -> None:
    try:
        checkpoint.remove(path)
    except OSError as error:
        raise UsageProblem(word_unwritable(path, error)) from error


def _changed_sources(old: State, files: Sequence[FileInput]) -> Iterator[str]:
    """Tell of every source that is not what it was, or is not there any more."""
    now = {text_of(_path(source)): source for source in files}
    for before in _lacking(old, now):
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


def _is_done(source: SourceState) -> bool:
    ended = source.ended  # what a file has grown by since it was read to its end is not done
    return ended is not None and ended[0] >= source.fingerprint.size and is_whole(source.settled, ended[1])


def _join(old: State, new: State, files: Sequence[FileInput]) -> tuple[State, Sequence[Input]]:
    """Give the state to go on from, and the inputs without what is settled."""
    known = {source.path: source for source in old.sources}
    added = (source for source in new.sources if source.path not in known)
    named = {source.path: source for source in _name_apart(added, [source.name for source in old.sources])}
    sources: list[SourceState] = []
    inputs: list[Input] = []
    for one, source in zip(new.sources, files, strict=True):
        before = known.get(one.path)
        now = named[one.path] if before is None else replace(one, name=before.name)
        if before is not None and fingerprint.find_difference(_path(source), before.fingerprint) is None:
            source.columns = before.columns
        if before is None or not before.settled:
            sources.append(replace(now, columns=source.columns))
            inputs.append(source)
            continue
        size = now.fingerprint.size
        settled = _without_open_line(before, _path(source), size)
        ended = before.ended if before.ended is not None and before.ended[0] >= size else None
        sources.append(replace(now, settled=settled, ended=ended, columns=before.columns))
        done = _is_done(before) and before.ended is not None and before.ended[0] == size
        inputs.append(ContinuedInput(source, settled, done=done))
        if size > before.fingerprint.size:
            _log.info("%s: has grown from %s to %s bytes", source.name, f"{before.fingerprint.size:,}", f"{size:,}")
    return replace(old, sources=tuple(sources)), inputs


def _without_open_line(before: SourceState, path: Path, size: int) -> Ranges:
    """Give what is settled, but not a last line that was still being written when it was read: it has grown since."""
    ends = [(one.offset, one.next) for one in before.settled if one.offset is not None]
    settled = before.settled
    for nbytes, following in ends if before.ended is None else [before.ended]:
        if nbytes < size and not fingerprint.ends_a_line(path, nbytes):
            settled = cut(settled, following - 1)
    return settled
