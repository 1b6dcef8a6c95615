"""Variables of the environment that are called as if they were ours: what no option is read from is told.

Must not know what an option does. Values are never looked at: they may be secrets.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

from mpimport.spelling import nearest

PREFIX = "MPIMPORT_"
# What Kubernetes and Docker set in every container beside a service that is called mpimport or mpimport-sandbox
# (Kubernetes documentation, "Accessing the Service", environment variables).
_OF_SERVICES = re.compile(r"(?:.+_)?(?:SERVICE_HOST|SERVICE_PORT(?:_\w+)?|PORT(?:_\d+_(?:TCP|UDP|SCTP)(?:_\w+)?)?)")
_SECRET = re.compile(r"(?:\w+_)?(?:SECRET|PASSWORD)")
_LIKENESS = 0.8  # VERSION, STATE and FILES, which others may set, are less like REGION, RESTART and PROFILE


def check_variables(
    environment: Iterable[str], options: Collection[str], problems: list[str], notes: list[str]
) -> None:
    """Tell of each variable that no option is read from, given the options' names: it may have been to stop a sending.

    It is a problem where an option is nearly so called, and a note where it may be somebody else's.
    """
    for variable in sorted(environment):
        name = variable.upper().removeprefix(PREFIX)
        if name == variable.upper() or _OF_SERVICES.fullmatch(name):
            continue
        option = name.lower().replace("_", "-")
        if variable.startswith(PREFIX) and option in options and "-" not in variable:
            continue
        if _SECRET.fullmatch(name):
            own = "MP_API_SECRET" if "API" in name else "MP_SECRET"
            problems.append(f"{variable}: no option is read from this variable; set {own} for a secret")
        elif near := nearest(option, options, _LIKENESS):
            meant = PREFIX + near.upper().replace("-", "_")
            problems.append(f"{variable}: no option is read from this variable; did you mean {meant}?")
        else:
            notes.append(f"{variable}: no option is read from this variable; mpimport --help shows those that are")
