"""Disks that are full soon, or take nothing: real small file systems where they can be mounted, else a real quota."""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from pathlib import Path

from running import Ended, command, environment

_ON_DISK = """
disk=$1 kept=$2 lock=$3
shift 3
mount -t tmpfs -o size=64k tmpfs "$disk" && cp -pr "$kept"/. "$disk" && mount -o remount,"$lock" "$disk" || exit 99
cd "$disk" && "$@"
code=$?
cp -pr "$disk"/. "$kept" || exit 99
exit $code
"""
_QUOTA = (
    "import os, resource, sys\n"
    "resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), int(sys.argv[1])))\n"
    "os.execv(sys.argv[2], sys.argv[2:])"
)


@cache
def can_mount() -> bool:
    """Whether this machine lets us mount a file system that nobody else sees."""
    try:
        return _unshare("mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", "/mnt").returncode == 0
    except OSError:  # no such command here
        return False


def on_small_disk(*arguments: str | Path, folder: Path, read_only: bool = False, stdin: bytes = b"") -> Ended:
    """Run the command on a file system of 64 KB, which begins with the files of `folder`, and ends there, too."""
    disk = folder.with_name(f"{folder.name}-disk")
    disk.mkdir(exist_ok=True)
    words = ["sh", "-c", _ON_DISK, "sh", str(disk), str(folder), "ro" if read_only else "rw", *command(*arguments)]
    return _ended(_unshare(*words, stdin=stdin))


def with_quota(*arguments: str | Path, max_file_bytes: int, cwd: Path, stdin: bytes = b"") -> Ended:
    """Run the command where no file may become larger; Python ignores the signal, so writing is refused."""
    words = [sys.executable, "-c", _QUOTA, str(max_file_bytes), *command(*arguments)]
    return _ended(
        subprocess.run(
            words, cwd=cwd, input=stdin, env=environment(), capture_output=True, check=False, timeout=100
        )
    )  # fmt: skip


def _unshare(*words: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        ["unshare", "--map-root-user", "--mount", *words],
        input=stdin, env=environment(), capture_output=True, check=False, timeout=100,
    )  # fmt: skip


def _ended(done: subprocess.CompletedProcess[bytes]) -> Ended:
    return Ended(done.returncode, done.stdout.decode(), done.stderr.decode())
