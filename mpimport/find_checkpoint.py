"""Which checkpoint a run goes on from: that of the same import, by its sources and destination, or the one named.

Holds its lock, and refuses a part of another import that is not finished. Knows neither what the settings of the two
were nor what is done with what it finds.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

from msgspec.structs import replace

from mpimport import checkpoint
from mpimport.checkpoint import RejectedFile, SourceState, State, Unusable
from mpimport.errors import UsageProblem
from mpimport.keeper import is_begun
from mpimport.lock import hold, hold_beginning, word_unwritable
from mpimport.mark import is_whole
from mpimport.settings import Settings

_log = logging.getLogger(__name__)


def state_folder() -> Path:
    """Give the folder for checkpoints: where the user's system keeps what programs remember."""
    from platformdirs import user_state_path  # noqa: PLC0415  needed only with a checkpoint

    try:
        folder = user_state_path("mpimport", appauthor=False)
    except RuntimeError:
        folder = Path()
    if not folder.is_absolute():  # older platformdirs give ~ back as it is
        raise UsageProblem(
            "the user has no home folder to keep the checkpoint in; set XDG_STATE_HOME or HOME to an absolute path, "
            "name a file with --checkpoint, or keep none with --no-checkpoint"
        )
    return folder


@contextmanager
def place_for(settings: Settings) -> Iterator[Path | None]:
    """Give the folder for the checkpoint, where no other import begins meanwhile; None where the user named a file."""
    if settings.run.checkpoint is not None:
        yield None
        return
    folder = _make_folder()
    with hold_beginning(folder):
        yield folder


class Place(NamedTuple):
    """Where the checkpoint is, and what stands in it, None where there is nothing to go on from.

    `stale`: checkpoints of imports that were hardly begun, whose part this one takes once it has written its own.
    """

    path: Path
    old: State | None
    stale: Sequence[Path]


def find(settings: Settings, new: State, folder: Path | None, stack: ExitStack) -> Place:
    """Find the checkpoint, in `folder` or where it was named, and hold its lock."""
    own = {source.path for source in new.sources}
    others: list[tuple[Path, State]] = []
    hardly: list[tuple[Path, State]] = []
    if folder is None:
        path = _named(settings)
    else:
        path = folder / checkpoint.name_of(new.destination, new.account, tuple(own))
        known = [] if _goes_on(path) else list(_find_others(folder, new))
        others = [(other, old) for other, old in known if any(source.path in own for source in old.sources)]
        for other, _ in others:
            with hold(other):  # AlreadyRunning: some of the sources are being imported at this moment
                pass
        hardly = [(other, old) for other, old in others if other != path and not is_begun(old)]
        others = [(other, old) for other, old in others if is_begun(old)]
        if len(others) == 1 and not lacking(others[0][1], own):
            path, others = others[0][0], []  # a glob that meets more files than before
        elif not others and not settings.run.restart:
            _tell_moved(known, new)
    stack.enter_context(hold(path))
    if others and not settings.run.restart:
        raise UsageProblem(*(_word_overlap(other, old, own) for other, old in others))
    for other, forgotten in others:
        with hold(other):
            remove(other)
        _tell_forgotten(forgotten, own)
    stale = [other for other, old in hardly if own.issuperset(source.path for source in old.sources)]
    if settings.run.restart:
        _forget(path, own, named=settings.run.checkpoint is not None)
        return Place(path, None, stale)
    old = _load(settings, path)
    return Place(path, _only_rejects(new, [one for _, one in hardly]) if old is None and hardly else old, stale)


def _load(settings: Settings, path: Path) -> State | None:
    try:
        return checkpoint.load(path)
    except Unusable as unusable:
        instead = "begin anew with --restart" if unusable.ours or not settings.run.checkpoint else "name another file"
        raise UsageProblem(f"the file {path} {unusable}; {instead}") from unusable


def _only_rejects(new: State, hardly: Sequence[State]) -> State:
    """Give a state in which nothing is settled, but rejects of imports that were hardly begun may stand in files."""
    own = {source.path for source in new.sources}
    sources = {one.path: one for old in hardly for one in old.sources if one.path in own}
    rejects: dict[str, RejectedFile] = {}
    for name, file in ((name, file) for old in hardly for name, file in old.rejects.items()):
        rejects[name] = min(file, rejects.get(name, file), key=attrgetter("scan_from"))
    return replace(new, sources=tuple(sources.values()), rejects=rejects)


def _named(settings: Settings) -> Path:
    """Give the file that the user named, if a checkpoint can be kept there."""
    named = settings.run.checkpoint or ""
    if obstacle := checkpoint.find_obstacle(Path(named)):
        raise UsageProblem(f"--checkpoint {named or repr(named)} {obstacle}; name another file")
    return Path(named)


def _make_folder() -> Path:
    folder = state_folder()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        next(folder.iterdir(), None)
    except OSError as error:
        raise UsageProblem(word_unwritable(folder, error)) from error
    return folder


def _goes_on(path: Path) -> bool:
    """Whether an import was begun there; what it shares a source with was refused, or forgotten, when that was done."""
    try:
        old = checkpoint.load(path)
    except Unusable:
        return True
    return old is not None and is_begun(old)


def _find_others(folder: Path, new: State) -> Iterator[tuple[Path, State]]:
    """Find the checkpoints of other imports to the same destination."""
    for path in sorted(folder.glob("*.json")):
        with suppress(Unusable):
            old = checkpoint.load(path)
            if old is not None and (old.destination, old.account) == (new.destination, new.account):
                yield path, old


def _tell_moved(known: Sequence[tuple[Path, State]], new: State) -> None:
    """Say where an import of a file with the very same bytes is not finished, whose name is no more."""
    now = {source.fingerprint: source for source in new.sources if source.fingerprint.size}
    for path, old in known:
        moved = [one for one in old.sources if one.settled and one.fingerprint in now and not Path(one.path).exists()]
        for before in moved[:1]:
            _log.warning(
                "%s: begins anew, though it looks like %s, of which an import is not finished (its checkpoint is %s): "
                "to go on with that, give the file its old name and run the same command again",
                now[before.fingerprint].name,
                before.path,
                path,
            )


def lacking(old: State, own: Collection[str]) -> list[SourceState]:
    """List the sources that an import had, does not have now, and is not done with."""
    return [one for one in old.sources if one.path not in own and not is_done(one)]


def _list(sources: Sequence[SourceState]) -> str:
    return ", ".join(source.name for source in sources[:5]) + (" ..." if len(sources) > 5 else "")


def _word_overlap(path: Path, old: State, own: Collection[str]) -> str:
    shared = next(source.name for source in old.sources if source.path in own)
    return (
        f"{shared}: an import of {_list(old.sources)} that is not finished has a part of it (its checkpoint is "
        f"{path}): run that again to finish it, or begin anew with --restart, which forgets it"
    )


def _forget(path: Path, own: Collection[str], *, named: bool) -> None:
    """Take away a checkpoint, whatever state it is in; but never a file that is none."""
    old: State | None = None
    try:
        old = checkpoint.load(path)
    except Unusable as unusable:
        if named and not unusable.ours:
            raise UsageProblem(f"--checkpoint {path} {unusable}; name another file") from unusable
    remove(path)
    if old is not None and is_begun(old):
        _tell_forgotten(old, own)


def _tell_forgotten(old: State, own: Collection[str]) -> None:
    """Say what else than the sources of now was a part of the import that is forgotten."""
    if others := lacking(old, own):
        _log.warning(
            "--restart forgets an import of which %s is not imported now; %s events of it all were imported, "
            "%s rejected",
            _list(others),
            f"{old.imported:,}",
            f"{old.rejected:,}",
        )


def remove(path: Path) -> None:
    """Take a checkpoint away. Raises UsageProblem where it cannot be."""
    try:
        checkpoint.remove(path)
    except OSError as error:
        raise UsageProblem(word_unwritable(path, error)) from error


def is_done(source: SourceState) -> bool:
    """Whether a source was imported to its end."""
    ended = source.ended  # what a file has grown by since it was read to its end is not done
    return ended is not None and ended[0] >= source.fingerprint.size and is_whole(source.settled, ended[1])
