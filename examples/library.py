#!/usr/bin/env python3
"""Import events out of a program, without a file in between.

Into the sandbox, unless MP_PROJECT_ID, MP_USERNAME and MP_SECRET are set: then into that project
(MP_REGION: us, eu or in; MP_URL: another address).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

from mpimport import Summary, UsageProblem, import_events

NEEDED = ("MP_PROJECT_ID", "MP_USERNAME", "MP_SECRET")


def subscriptions() -> Iterator[dict[str, Any]]:
    """Give the events one by one, as a database cursor would: nothing is held in memory.

    They may be flat or have `properties`; times may be datetimes. What is the same here is the same event there,
    so nothing is counted twice when this runs twice.
    """
    start = datetime(2025, 5, 1, 8, tzinfo=timezone.utc)
    for number in range(250):
        yield {
            "event": "subscription renewed",
            "time": start + timedelta(minutes=37 * number),
            "distinct_id": f"customer-{1000 + number % 90}",
            "plan": ("club", "office")[number % 2],
            "price": 9.9 + number % 3,
            "address": {"city": "Zürich", "country": "CH"},
        }


def run(environment: Mapping[str, str]) -> Summary:
    """Import into the project that the environment names, or into the sandbox."""
    given = [name for name in NEEDED if environment.get(name)]
    if not given:
        return import_events(subscriptions(), sandbox=True)
    missing = [name for name in NEEDED if name not in given]
    if missing:
        raise UsageProblem(f"set {', '.join(missing)} too; or none of {', '.join(NEEDED)}, to try it in the sandbox")
    return import_events(
        subscriptions(),
        project_id=environment["MP_PROJECT_ID"],
        username=environment["MP_USERNAME"],
        secret=environment["MP_SECRET"],
        region=environment.get("MP_REGION") or "us",
        url=environment.get("MP_URL") or None,
    )


def main() -> int:
    """Print the account of the import; return its exit code."""
    if sys.argv[1:]:  # --help, say: nobody expects that to import
        print(__doc__, file=sys.stderr)
        return 2
    try:
        summary = run(os.environ)
    except UsageProblem as problem:
        print(problem, file=sys.stderr)
        return problem.exit_code
    print(f"into {summary.destination}")
    print(f"read {summary.read} = imported {summary.imported} + rejected {summary.rejected}", end=" ")
    print(f"+ undelivered {summary.undelivered}")
    for file in (*summary.rejected_files, *summary.undelivered_files):
        print(f"see {file}")
    return summary.exit_code


if __name__ == "__main__":
    sys.exit(main())
