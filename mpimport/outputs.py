"""The files that a run writes: none may be read by it, be another of them, or be where a standard stream goes.

Looked at before anything is read. Must not know how the run goes, nor how what is ours is told: `left_behind` does.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import TypeAlias

from mpimport.checkpoint import derived
from mpimport.inputs import FileInput, find_clashes, find_fed_back
from mpimport.left_behind import HEAD_BYTES, kind_of
from mpimport.plan import Input
from mpimport.settings import RunSettings
from mpimport.settle import rejected_paths, undelivered_path
from mpimport.writable import find_unwritable

Places: TypeAlias = "Mapping[str, Sequence[Path]]"
"""Paths by the option or the thing that they are of."""


def appended(run: RunSettings, inputs: Sequence[Input]) -> tuple[list[Path], list[Path], list[Path]]:
    """Give the files for rejects, for what can be neither delivered nor read again, and for the audit: none if not."""
    path_of = rejected_paths(run.rejected)
    rejected = [path_of(source.name) for source in inputs]
    kept = [undelivered_path(path_of(source.name)) for source in inputs if not (source.resumable or run.dry_run)]
    return rejected, kept, [Path(run.audit)] if run.audit else []


def find_output_problems(
    run: RunSettings, inputs: Sequence[FileInput], settings_files: Iterable[str], *, prints_json: bool
) -> Iterator[str]:
    """Tell of every place that something cannot be written to, or not without harm to something else."""
    rejected, kept, audit = appended(run, inputs)
    kept_at = Path(run.checkpoint) if run.checkpoint else None
    told = {
        "--report": [Path(path) for path in run.reports],
        "--metrics": [Path(run.metrics)] if run.metrics else [],
    }
    written = {
        **told,
        "--audit": audit,
        "--checkpoint": [kept_at, *derived(kept_at)] if kept_at and kept_at.name else [],
    }
    unnameable = list(_find_unnameable({**written, "--rejected": [*rejected, *kept]}))
    if unnameable:
        yield from unnameable
        return
    yield from find_clashes(inputs, [*rejected, *kept])
    yield from _find_unwritable(told, audit)
    yield from find_fed_back(inputs, [*rejected, *kept, *chain.from_iterable(written.values())])
    read = {"a file of settings": list(map(Path, sorted(settings_files)))}
    sources = {"a source": [source.path for source in inputs if source.path is not None]}
    yield from _find_doubles({"--rejected": rejected[:1]}, read)
    yield from _find_doubles(written, {**read, **sources, "--rejected": rejected, "the undelivered file": kept})
    yield from _find_on_streams({**written, "--rejected": [*rejected, *kept], **sources}, prints_json=prints_json)


def _find_unnameable(written: Places) -> Iterator[str]:
    """Tell of a file that can have no such name, or none beside it that is used with it: they are too long, mostly."""
    for option, paths in written.items():
        for path in paths:
            try:
                path.lstat()
            except (FileNotFoundError, NotADirectoryError):
                continue
            except OSError as error:
                yield f"{option} {path}: {error.strerror or error}; name another file with {option}"
                break


def _find_doubles(written: Places, taken: Places) -> Iterator[str]:
    """Tell of a file that would be written over something that the run reads, or writes otherwise."""
    known = [(of, path) for of, paths in taken.items() for path in paths]
    for option, paths in written.items():
        for path in paths:
            same = next((f"{of} ({other})" for of, other in known if _is_same(path, other)), None)
            if same is not None:
                yield f"{option} {path}: is {same}, too; name another file"
            known.append((option, path))


def _is_same(path: Path, other: Path) -> bool:
    """Whether two names are of one file; those of files that are not there yet are compared by where they lead."""
    if path.exists() and _is_nowhere(path.stat()):
        return False
    if path == other:
        return True
    if path.exists() or other.exists():
        return path.exists() and other.exists() and path.samefile(other)
    return os.path.realpath(path) == os.path.realpath(other)


def _find_unwritable(told: Places, audit: Sequence[Path]) -> Iterator[str]:
    """Tell of a file that is to be written at the end of the run, and cannot be: said before anything is read."""
    wrong = {option: set(find_unwritable(paths, replaced=True)) for option, paths in told.items()}
    wrong["--audit"] = set(find_unwritable(audit))
    for option, paths in {**told, "--audit": audit}.items():
        for path in paths:
            if path in wrong[option]:
                yield f"{option} {path}: cannot be written there; name a file in a folder that is there and yours"
            elif option != "--audit" and path.exists() and not path.is_file():
                yield f"{option} {path}: is no regular file, and would be replaced by one; name another"
            elif option != "--metrics" and _holds_something_else(path):  # metrics are read, and known by that
                yield f"{option} {path}: holds something else, which would be lost; name another file"


def _holds_something_else(path: Path) -> bool:
    """Whether a file holds anything, and not what an earlier run told."""
    with suppress(OSError):
        if path.is_file():
            with path.open("rb") as file:
                head = file.read(HEAD_BYTES)
            return bool(head) and kind_of(head) != "told"
    return False


def _find_on_streams(places: Places, *, prints_json: bool) -> Iterator[str]:
    """Tell of a file that standard output or error goes to, which would be mixed, or written over each other."""
    for number, stream in ((1, "standard output"), (2, "standard error")):
        with suppress(OSError):
            status = os.fstat(number)
            mixes = stat.S_ISREG(status.st_mode) or (number == 1 and prints_json and not _is_nowhere(status))
            for of, paths in places.items() if mixes else ():
                for path in dict.fromkeys(paths):
                    with suppress(OSError):
                        if os.path.samestat(path.stat(), status):
                            yield f"{of} {path}: {stream} goes there, too; send one of them to another file"


def _is_nowhere(status: os.stat_result) -> bool:
    return os.path.samestat(status, Path(os.devnull).stat())
