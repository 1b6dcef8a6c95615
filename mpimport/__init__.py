"""The bulk importer for Mixpanel that accounts for every event.

`import_events` is the library; the command line is `mpimport`. What is named in `__all__` is public.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mpimport.account import Summary
    from mpimport.api import import_events
    from mpimport.errors import MpimportError, UsageProblem
    from mpimport.progress import Progress

__all__ = ["MpimportError", "Progress", "Summary", "UsageProblem", "import_events"]

_HOMES = {
    "MpimportError": "mpimport.errors",
    "Progress": "mpimport.progress",
    "Summary": "mpimport.account",
    "UsageProblem": "mpimport.errors",
    "import_events": "mpimport.api",
}


def __getattr__(name: str) -> Any:
    """Load a public name when it is asked for, so that `mpimport --help` loads none of them."""
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'mpimport' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
