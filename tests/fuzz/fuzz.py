"""`make fuzz`: any bytes through formats, intake and settling, led by what they reach in the code (atheris).

Where there is no atheris (it has wheels for some systems and versions of Python only), examples are damaged at random.
What is found stays in `.fuzz/`; put it into `tests/fuzz/found/`, where the tests read it ever after.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
KEPT = Path(".fuzz")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=120)
    parser.add_argument("--without-atheris", action="store_true", help="damage examples at random")
    given = parser.parse_args()
    KEPT.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        if given.without_atheris or not _fuzz(given.seconds, Path(folder)):
            _damage(given.seconds, Path(folder))


def _fuzz(seconds: int, folder: Path) -> bool:
    try:
        import atheris
    except ImportError:
        print("atheris is not installed here: examples are damaged at random instead")
        return False
    with atheris.instrument_imports(include=["mpimport"]):
        from fuzz_target import check_fuzzed, seeds, words

    corpus, dictionary = KEPT / "corpus", KEPT / "words"
    corpus.mkdir(exist_ok=True)
    for number, seed in enumerate(seeds()):
        (corpus / f"seed-{number}").write_bytes(seed)
    dictionary.write_text("".join(f'"{_escaped(word)}"\n' for word in words()))
    options = [
        f"-max_total_time={seconds}",
        "-max_len=4096",
        "-timeout=20",
        "-rss_limit_mb=2000",
        "-print_final_stats=1",
    ]
    atheris.Setup(
        [sys.argv[0], *options, f"-dict={dictionary}", f"-artifact_prefix={KEPT}/", str(corpus)],
        lambda data: check_fuzzed(data, folder),
    )
    atheris.Fuzz()
    return True


def _escaped(word: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in word)


def _damage(seconds: int, folder: Path) -> None:
    from fuzz_target import check_fuzzed, seeds, words

    known, tokens = list(seeds()), list(words())
    end, runs = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        data = bytearray(random.choice(known))
        for _ in range(random.randint(1, 6)):
            at = random.randint(0, len(data))
            other = random.choice(known)
            piece = random.choice((random.choice(tokens), random.randbytes(2), other[at : at + random.randint(0, 200)]))
            data[at : at + random.choice((0, 0, 1, 4, len(piece), 500))] = piece
        data[:4] = bytes(random.randrange(256) for _ in range(4))
        try:
            check_fuzzed(bytes(data), folder)
        except Exception:
            found = KEPT / f"found-{runs}"
            found.write_bytes(data)
            print(f"found something: {found}")
            raise
        runs += 1
    print(f"{runs} inputs, and nothing was found")


if __name__ == "__main__":
    main()
