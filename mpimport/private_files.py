"""Files that hold people's data: made for their owner alone, and never one that somebody else has laid out.

In a folder that others may write to, somebody can put a file of the name that we will write to, to read it, or a
symbolic link, to have us write into a file of ours. The rule is that of Linux for such folders
(fs.protected_symlinks, fs.protected_regular), for all folders and systems with users: what is there already must
belong to us, to root, or to the owner of its folder.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path

_MODE = 0o600
NEW = ".mpimport-new"  # added to the name of the file that is being written


def open_private(path: Path, flags: int) -> int:
    """Open a file to write to, making it readable by its owner only when it is not there; gives the descriptor.

    Raises OSError, with the words of `find_stranger` when it belongs to somebody else.
    """
    flags |= getattr(os, "O_BINARY", 0)
    with suppress(FileExistsError):
        return os.open(path, flags | os.O_CREAT | os.O_EXCL, _MODE)
    if stranger := find_stranger(path):
        raise PermissionError(errno.EPERM, stranger)
    follow = os.O_CREAT if path.is_symlink() else getattr(os, "O_NOFOLLOW", 0)
    descriptor = os.open(path, flags | follow, _MODE)
    if not follow & os.O_CREAT and (stranger := _word(os.fstat(descriptor), path)):  # exchanged since it was looked at
        os.close(descriptor)
        raise PermissionError(errno.EPERM, stranger)
    return descriptor


def find_stranger(path: Path) -> str | None:
    """Say to whom the file or link of this name belongs, when it is nobody whose file we may write to."""
    with suppress(OSError):
        return _word(path.lstat(), path)
    return None


def _word(status: os.stat_result, path: Path) -> str | None:
    if not hasattr(os, "geteuid"):
        return None
    if status.st_uid in {os.geteuid(), 0, path.parent.stat().st_uid}:
        return None
    kind = "a symbolic link" if stat.S_ISLNK(status.st_mode) else "a file"
    return (
        f"it is {kind} of another user (number {status.st_uid}), who may have put it there to see or misplace the data"
    )


def find_meddler(path: Path) -> str | None:
    """Say who else decides what is in a file of ours, or which file it is: nobody but us and root may."""
    if not hasattr(os, "geteuid"):
        return None
    for status in (path.lstat(), path.stat()):
        if status.st_uid not in {os.geteuid(), 0}:
            return f"it belongs to another user (number {status.st_uid}), who decides what is in it"
    return f"everybody may write to it; chmod o-w {path}" if path.stat().st_mode & stat.S_IWOTH else None


def find_exposure(path: str | Path) -> str | None:
    """Say that others can read a file that they should not, when it is ours to change.

    What belongs to somebody else, or is mounted to be read only (a secret in a container), is as its owner wants it.
    """
    if not hasattr(os, "geteuid") or str(path).startswith(("/dev/", "/proc/")):
        return None
    with suppress(OSError):
        status = Path(path).stat()
        ours = stat.S_ISREG(status.st_mode) and status.st_uid == os.geteuid()
        if ours and status.st_mode & (stat.S_IRGRP | stat.S_IROTH) and not os.statvfs(path).f_flag & os.ST_RDONLY:
            return f"{path}: other users of this machine can read the secret or token in it; chmod 600 {path}"
    return None


def forbid_core_files() -> None:
    """Let no crash of this process write its memory, with secrets and events, into a file."""
    with suppress(ImportError, OSError, ValueError):
        import resource  # noqa: PLC0415  Windows has neither the module nor the files

        _, hard = resource.getrlimit(resource.RLIMIT_CORE)
        resource.setrlimit(resource.RLIMIT_CORE, (0, hard))


def replace_file(path: Path, data: bytes, mode: int = _MODE) -> None:
    """Write a file that somebody asked for as a whole into the place of what is there. Raises OSError.

    What is there keeps its mode, and a link of our own leads to the file that is replaced.
    """
    if stranger := find_stranger(path):
        raise OSError(stranger)
    path = Path(os.path.realpath(path))
    with suppress(OSError):
        mode = stat.S_IMODE(path.stat().st_mode)
    write_whole(path, data, mode)


def write_whole(path: Path, data: bytes, mode: int = _MODE) -> None:
    """Put a new file into the place of what is there: whoever reads finds the one or the other. Raises OSError."""
    new = path.with_name(path.name + NEW)
    with suppress(FileNotFoundError):
        new.unlink()
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), _MODE)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        new.chmod(mode)
        new.replace(path)
    except OSError:
        with suppress(OSError):
            new.unlink()
        raise
