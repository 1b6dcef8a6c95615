"""The clock of the machine."""

from __future__ import annotations

import threading

from mpimport.clock import SystemClock


def test_the_system_clock_waits_on_the_event() -> None:
    clock, stop = SystemClock(), threading.Event()
    before = clock.now()
    assert not clock.wait(0.02, stop)
    assert clock.now() - before >= 0.015
    assert not clock.wait(-1, stop)
    stop.set()
    assert clock.wait(1e12, stop)
