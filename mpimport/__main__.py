"""Where the command starts, also as `python -m mpimport`: Ctrl-C while the rest is loaded ends it with one line."""

from __future__ import annotations

import os
import signal
from types import FrameType


def _leave(_number: int, _frame: FrameType | None) -> None:
    os.write(2, b"interrupted\n")
    os._exit(130)  # nothing is open yet; an exception within an import may come out as another one


def start() -> None:
    """Load the command line and run it."""
    raises = signal.getsignal(signal.SIGINT) is signal.default_int_handler  # else it is ignored, as in a shell's `&`
    if raises:
        signal.signal(signal.SIGINT, _leave)
    from mpimport.cli import main  # noqa: PLC0415  after the handler is there

    if raises:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        main()
    except SystemExit as end:
        # All is told and closed: what is left, 0.1 s of taking modules apart, would only be time to be killed in.
        os._exit(end.code if isinstance(end.code, int) else 0)


if __name__ == "__main__":
    start()
