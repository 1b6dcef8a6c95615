"""What people read, for the tests that hold it to the code: the README, and the guides that it leads to."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
GUIDES = {path: path.read_text(encoding="utf-8") for path in sorted((ROOT / "examples" / "guide").glob("*.md"))}
MANUAL = "\n".join([README, *GUIDES.values()])


def section(title: str) -> str:
    """Give the text of a section of one of them, up to the next of any level."""
    for text in (README, *GUIDES.values()):
        if found := re.search(rf"^##+ {re.escape(title)}\n(.*?)(?=^##+ |\Z)", text, flags=re.MULTILINE | re.DOTALL):
            return found[1]
    raise AssertionError(f"there is no section {title!r}")
