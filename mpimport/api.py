"""The library: `import_events` puts the events of a program through the same pipeline as the command."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from mpimport.account import Summary
from mpimport.api_arguments import find_wrong
from mpimport.app import check_settings, import_inputs
from mpimport.errors import UsageProblem
from mpimport.inputs import find_clashes
from mpimport.interrupt import Interrupt
from mpimport.mappings import MappingsInput
from mpimport.progress import Progress
from mpimport.report import DRAW_PERIOD_S
from mpimport.settings import (
    BatchSettings,
    Credentials,
    MaxRejected,
    RunSettings,
    Secret,
    SendSettings,
    Settings,
)
from mpimport.settle import undelivered_path

_log = logging.getLogger("mpimport.library")  # not "mpimport" itself, whose lines may be routed to a report


def import_events(  # noqa: PLR0913  every option is a keyword of its own
    events: Iterable[Mapping[str, Any]],
    *,
    project_id: str | int | None = None,
    username: str | None = None,
    secret: str | None = None,
    api_secret: str | None = None,
    token: str | None = None,
    region: str = "us",
    url: str | None = None,
    endpoint: str = "import",
    proxy: str | None = None,
    ca_bundle: str | os.PathLike[str] | None = None,
    sandbox: bool = False,
    dry_run: bool = False,
    workers: int = 16,
    batch_size: int | None = None,
    geolocate: bool = False,
    timeout_s: float = 30.0,
    give_up_after_s: float = 900.0,
    max_rejected: int | None = None,
    rejected: str | os.PathLike[str] = "events.rejected.ndjson",
    on_progress: Callable[[Progress], None] | None = None,
) -> Summary:
    """Import events, each a mapping such as `{"event": …, "properties": {…}}` or a flat one; account for all of them.

    Events are taken from the iterable as they can be sent, so it may be endless memory's worth. A rejected
    event is written to the file `rejected` (the path of an NDJSON file), an undelivered one to
    `<rejected>.undelivered.ndjson`. Times are in seconds. `on_progress` is called a few times a second, and at the end.

    Raises UsageProblem, with everything that is wrong, before anything is sent. Whatever happens later is in
    the summary: look at its `exit_code`, which is 0 only when every event was imported. An exception of the
    iterable is raised again, after what it gave before is settled: imported, or saved as undelivered.
    """
    if wrong := tuple(find_wrong(locals())):
        raise UsageProblem(*wrong)
    settings = Settings(
        batch=BatchSettings(max_events=batch_size, geolocate=geolocate),
        send=SendSettings(
            endpoint=endpoint,
            region=region,
            region_given=region != "us",
            url=url,
            proxy=proxy,
            ca_bundle=None if ca_bundle is None else os.fspath(ca_bundle),
            workers=workers,
            timeout_s=timeout_s,
            give_up_after_s=give_up_after_s,
        ),
        run=RunSettings(
            rejected=os.fspath(rejected),
            max_rejected=None if max_rejected is None else MaxRejected(max_rejected, name="max_rejected"),
            dry_run=dry_run,
            sandbox=sandbox,
        ),
        credentials=_credentials(project_id, username, secret, api_secret, token),
    )
    _check(settings, Path(rejected))
    return _run(settings, events, Caller(on_progress))


def _run(settings: Settings, events: Iterable[Mapping[str, Any]], caller: Caller) -> Summary:
    interrupt = Interrupt()
    summary = import_inputs(settings, [MappingsInput(events, interrupt)], caller, interrupt)
    caller.close()
    return summary


def _credentials(
    project_id: str | int | None, username: str | None, secret: str | None, api_secret: str | None, token: str | None
) -> Credentials:
    return Credentials(
        project_id=None if project_id is None else str(project_id),
        username=username,
        secret=Secret(secret) if secret else None,
        api_secret=Secret(api_secret) if api_secret else None,
        token=Secret(token) if token else None,
    )


def _check(settings: Settings, rejected: Path) -> None:
    """Find what is wrong with options, and with the files that may be written. Raises UsageProblem."""
    check_settings(settings)
    if problems := tuple(find_clashes((), (rejected, undelivered_path(rejected)))):
        raise UsageProblem(*problems)


class Caller:
    """The report of a library: progress goes to the caller's function, everything else to `logging`."""

    def __init__(
        self, on_progress: Callable[[Progress], None] | None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Call `on_progress`, if there is one, each `DRAW_PERIOD_S`."""
        self._on_progress = on_progress
        self._clock = clock
        self._next = clock() + DRAW_PERIOD_S
        self._progress: Callable[[], Progress] | None = None

    def tick(self, progress: Callable[[], Progress]) -> None:
        """Tell how far it is when the period is over."""
        self._progress = progress
        if self._on_progress is not None and self._clock() >= self._next:
            self._next = self._clock() + DRAW_PERIOD_S
            self._on_progress(progress())

    def say(self, level: int, message: str, **fields: Any) -> None:
        """Log it."""
        _log.log(level, "%s", message, extra=fields)

    def ends(self, message: str) -> None:
        """Log it; the summary is the program's to show."""
        _log.error("%s", message)

    def close(self) -> None:
        """Tell how far it has come in the end."""
        if self._on_progress is not None and self._progress is not None:
            self._on_progress(self._progress())
