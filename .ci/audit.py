"""Ask PyPI for known vulnerabilities of mpimport's dependencies, in the versions that are installed here.

Tools of the developers are left out: they handle nobody's data. `--lenient`, for `make lint`: only a vulnerability
fails, not a service that cannot be reached, which is said.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

TIMEOUT_S = 30


def main() -> int:
    """Audit; 0 is clean (or, leniently, not to be told), 1 a vulnerability, 2 a question without an answer."""
    pins = find_pins("mpimport")
    answer, why = ask(pins)
    unasked = [package["name"] for package in answer if "skip_reason" in package]
    bad = [(package, found) for package in answer for found in package.get("vulns", ())]
    for package, found in bad:
        fixed = ", ".join(found["fix_versions"]) or "none yet"
        print(f"audit: {package['name']} {package['version']}: {found['id']}, fixed in: {fixed}")
    if bad:
        return 1
    if why or len(unasked) == len(pins):
        print(f"audit: NOT DONE: no answer about {len(pins)} dependencies ({why or 'the service does not know them'})")
    elif unasked:
        print(f"audit: IN PART: no answer about {', '.join(unasked)}; nothing is known against the others")
    else:
        print(f"audit: nothing is known against the {len(pins)} dependencies")
    return 2 if (why or unasked) and "--lenient" not in sys.argv else 0


def find_pins(name: str) -> dict[str, str]:
    """Give the installed version of all that a distribution needs here, directly or not."""
    pins: dict[str, str] = {}
    waiting = [name]
    while waiting:
        for text in distribution(waiting.pop()).requires or ():
            requirement = Requirement(text)
            needed = canonicalize_name(requirement.name)
            if needed in pins or (requirement.marker and not requirement.marker.evaluate({"extra": ""})):
                continue
            try:
                pins[needed] = distribution(needed).version
            except PackageNotFoundError:
                continue
            waiting.append(needed)
    return pins


def ask(pins: dict[str, str]) -> tuple[list[dict[str, Any]], str]:
    """Give what pip-audit says of each dependency, or why it does not."""
    with tempfile.TemporaryDirectory() as folder:
        listed = Path(folder) / "requirements.txt"
        listed.write_text("".join(f"{name}=={version}\n" for name, version in sorted(pins.items())))
        words = [
            "pip_audit",
            "-r",
            str(listed),
            "--no-deps",
            "--disable-pip",
            "-f",
            "json",
            "--progress-spinner",
            "off",
        ]
        try:
            done = subprocess.run(  # noqa: S603  words of our own
                [sys.executable, "-m", *words], capture_output=True, text=True, check=False, timeout=TIMEOUT_S
            )
            return json.loads(done.stdout)["dependencies"], ""
        except subprocess.TimeoutExpired:
            return [], f"it took more than {TIMEOUT_S} s"
        except (ValueError, KeyError):
            return [], (done.stderr.strip().splitlines() or ["it said nothing"])[-1]


if __name__ == "__main__":
    sys.exit(main())
