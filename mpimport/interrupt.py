"""SIGINT, SIGTERM and SIGHUP as something to look at: the first asks to finish, the second not to wait.

A handler only takes a note; whoever reads, waits or settles looks at it. A read that may wait for ever (a
pipe, a terminal) is ended by it as if the input ended there, so nothing that was taken from it is lost.
"""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from mpimport.standard_streams import give_up_stuck

_HANG_UP: signal.Signals | None = getattr(signal, "SIGHUP", None)  # the terminal is closed; Windows has none
SIGNALS = (signal.SIGINT, signal.SIGTERM, *([_HANG_UP] if _HANG_UP is not None else []))
MAX_REST_BYTES = 1_048_576  # no event is longer (API documentation)
WAKE_BYTES = 512  # as many signals are taken for one
POLL_S = 0.2  # how often a wait for input or for the server looks around


class Stopped(Exception):
    """A read of what can be read again was given up, for the run was asked to stop."""


class Interrupt:
    """Whether, and by which signal, the run was asked to stop; and the end of input that is waited for.

    `enough`: nothing more is to be taken from what cannot be read again. `on_wait` is called now and then
    while input is waited for.
    """

    def __init__(self) -> None:
        """Nothing was asked yet."""
        self.signal_number: int | None = None
        self.times = 0
        self.enough = False
        self.on_wait: Callable[[], None] = lambda: None
        self._wake: int | None = None

    @property
    def asked(self) -> bool:
        """Whether to stop reading and let finish what is under way."""
        return self.times > 0

    @property
    def insisted(self) -> bool:
        """Whether not even to wait for what is under way."""
        return self.times > 1

    def _note(self, number: int, _: FrameType | None) -> None:
        if number == _HANG_UP and self.asked:
            return  # the shell passes on what the terminal has told already
        self.times += 1
        if self.signal_number is None:
            self.signal_number = number
        if self.insisted:
            give_up_stuck()

    def heed(self) -> None:
        """Give up reading, by `Stopped`, once the run was asked to stop: a record may go on for very long."""
        if self.asked:
            raise Stopped

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Take the signals while the block runs; the main thread only."""
        read_end, write_end = os.pipe()
        os.set_blocking(write_end, False)
        nohup = _HANG_UP is not None and signal.getsignal(_HANG_UP) == signal.SIG_IGN
        taken = [number for number in SIGNALS if not (nohup and number == _HANG_UP)]
        before = {number: signal.signal(number, self._note) for number in taken}
        wakeup = signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
        self._wake = read_end
        try:
            yield
        finally:
            self._wake = None
            signal.set_wakeup_fd(wakeup)
            for number, handler in before.items():
                signal.signal(number, handler)
            os.close(read_end)
            os.close(write_end)

    def patient(self, descriptor: int, read: Callable[[int], bytes]) -> Callable[[int], bytes]:
        """Wrap a read that may block: it gives b"", the end, once the run is to take no more.

        But a line that is begun is read to its end, where it is there: half an event could not be saved.
        """
        begun = False

        def pull(n: int) -> bytes:
            nonlocal begun
            piece = self._rest_of_line(descriptor) if begun and self._over() else take(n)
            begun = bool(piece) and not piece.endswith(b"\n") and not self._over()
            if not piece and self._over():
                self.on_wait()  # whoever reads must know before that this is no end of the input's own
            return piece

        def take(n: int) -> bytes:
            while not self._over() and self._wake is not None and os.name == "posix":
                with suppress(InterruptedError):
                    ready, _, _ = select.select([descriptor, self._wake], [], [], POLL_S)
                    if descriptor in ready:
                        break
                    if self._wake in ready:  # another signal, such as the one after Ctrl-Z, asks for nothing
                        os.read(self._wake, WAKE_BYTES)
                    self.on_wait()
            return b"" if self._over() else read(n)

        return pull

    def _rest_of_line(self, descriptor: int) -> bytes:
        """Read up to a line break, as long as there is something to read."""
        rest = bytearray()
        while os.name == "posix" and len(rest) < MAX_REST_BYTES and not rest.endswith(b"\n"):
            ready: list[int] = []
            with suppress(InterruptedError):
                ready, _, _ = select.select([descriptor], [], [], POLL_S)
            piece = os.read(descriptor, 1) if ready else b""
            if not piece:
                break
            rest += piece
        return bytes(rest)

    def _over(self) -> bool:
        return self.asked or self.enough
