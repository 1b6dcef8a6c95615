"""Kills imports at random instants, many times, and checks that nothing is lost and each reject is recorded once.

    python tests/soak/soak.py [--events N] [--kills N] [--seed N] [SHAPE]...

Each shape of input is one import, killed so often, against a server with faults. It is random: the seed is printed.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from crashes import SHAPES, survive, write_import


def main() -> None:
    """Run every shape in turn."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shapes", nargs="*", default=list(SHAPES), metavar="SHAPE", help=", ".join(SHAPES))
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    given = parser.parse_args()
    print(f"{given.events:,} events, {given.kills} kills, seed {given.seed}", flush=True)
    for shape in given.shapes:
        with tempfile.TemporaryDirectory(prefix="mpimport-soak-") as folder:
            os.environ["XDG_STATE_HOME"] = f"{folder}/state"
            job, began = write_import(Path(folder), shape, given.events), time.monotonic()
            draw = random.Random(f"{shape} {given.seed}")
            survived = survive(Path(folder), job, given.kills, draw, batch=200, latency_s=0.2)
            left = [path.name for path in Path(folder, "state", "mpimport").iterdir()]
            if left or survived.kills < given.kills:
                raise SystemExit(f"{shape}: killed {survived.kills} times, left behind: {left}")
            twice = survived.stats["duplicates"] / len(job.good)
            print(
                f"{shape:8} survived {survived.kills} kills in {time.monotonic() - began:.0f} s: {len(job.good):,} "
                f"events stored, {twice:.1%} of them sent twice, {len(job.bad):,} rejects recorded once",
                flush=True,
            )


if __name__ == "__main__":
    main()
