"""Whether a file is the one it was: grown is the same, anything else is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from mpimport.fingerprint import LOOK_BYTES, find_difference, take

BEFORE = bytes(range(256)) * (3 * LOOK_BYTES // 256)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "f"
    path.write_bytes(BEFORE)
    return path


@pytest.mark.parametrize("added", [b"", b"x", BEFORE])
def test_the_same_and_a_grown_file_differ_in_nothing(file: Path, added: bytes) -> None:
    before = take(file)
    file.write_bytes(BEFORE + added)

    assert find_difference(file, before) is None


@pytest.mark.parametrize(
    ("after", "words"),
    [
        (BEFORE[:-1], "has 196,607 bytes and had 196,608"),
        (b"", "has 0 bytes"),
        (b"x" + BEFORE[1:], "begins with other bytes"),
        (BEFORE[:-1] + b"x", "no longer the same up to byte 196,608"),
        (BEFORE[:-1] + b"x" + BEFORE, "no longer the same up to byte 196,608"),
    ],
)
def test_every_other_change_is_told(file: Path, after: bytes, words: str) -> None:
    before = take(file)
    file.write_bytes(after)

    assert words in (find_difference(file, before) or "")


def test_an_empty_file_can_only_grow(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.touch()
    before = take(path)
    path.write_bytes(b"x")

    assert find_difference(path, before) is None
