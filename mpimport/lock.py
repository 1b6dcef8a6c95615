"""Only one run of an import at a time: a lock that dies with its process."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from mpimport.checkpoint import LOCK, derived
from mpimport.errors import AlreadyRunning, UsageProblem

_BEGINNING_S = 10.0  # looking at the checkpoints of a folder and writing one more takes milliseconds


@contextmanager
def hold(path: Path, wait_s: float = 0) -> Iterator[None]:
    """Hold the lock of a checkpoint. AlreadyRunning: another process has it; UsageProblem: there can be none."""
    from filelock import FileLock, Timeout  # noqa: PLC0415  50 ms, needed only with a checkpoint

    place, _ = derived(path)
    if not path.parent.is_dir():
        raise UsageProblem(word_unwritable(path, "there is no such folder"))
    lock = FileLock(place, timeout=wait_s, mode=0o600)
    try:
        lock.acquire()
    except Timeout:
        _make(path, place)
        raise AlreadyRunning(
            f"another run of the same import is under way, or of a part of it (it holds {place}); wait until it has "
            "ended. Nothing was sent."
        ) from None
    except (OSError, NotImplementedError) as error:
        raise UsageProblem(word_unwritable(path, error)) from error
    try:
        yield
    finally:
        if os.name == "posix":
            with suppress(OSError):
                place.unlink()  # before the release: who waits for nothing cannot have it then
        lock.release()


@contextmanager
def hold_beginning(folder: Path) -> Iterator[None]:
    """Let no other import begin that keeps its checkpoint in the same folder: neither would see the other's there."""
    with ExitStack() as stack:
        try:
            stack.enter_context(hold(folder / "beginning", _BEGINNING_S))
        except AlreadyRunning:
            raise AlreadyRunning(
                f"another import has been beginning for {_BEGINNING_S:.0f} seconds (it holds {folder / 'beginning'}"
                f"{LOCK}); see whether it hangs, and run this one again. Nothing was sent."
            ) from None
        yield


def _make(path: Path, place: Path) -> None:
    """Make the file of a lock that could not be had, if it is not there: filelock waits for ever where none can be."""
    try:
        if not place.exists():
            os.close(os.open(place, os.O_WRONLY | os.O_CREAT, 0o600))
    except OSError as error:
        raise UsageProblem(word_unwritable(path, error)) from error


def word_unwritable(path: Path, error: Exception | str) -> str:
    """Say what to do when there is no place for a checkpoint."""
    why = getattr(error, "strerror", None) or error
    return (
        f"the checkpoint cannot be kept at {path}: {why}; name another place with --checkpoint PATH, or do without "
        f"with --no-checkpoint: then an interrupted run begins anew"
    )
