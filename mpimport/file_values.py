"""What is wrong with the values in one place of a configuration file, also in a profile that nobody asked for.

Only what is wrong whatever else is given: what clashes with another option is told of a run that has both. Knows
neither click nor from which file the values are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from mpimport.app import check_settings, read_options
from mpimport.endpoints import ENDPOINTS
from mpimport.errors import noting
from mpimport.mapping_file import KEYS
from mpimport.settings_given import plain_settings

_NOT_ALONE = {"audit", "backoff-max", "ca-bundle"}  # it takes another option, or a machine, to say what they may be
_ONE_OPTION = re.compile(r"--([a-z][a-z-]+)(?! and --)\b")


def find_wrong_values(values: Mapping[str, Any], entries: Mapping[str, Any]) -> dict[str, list[str]]:
    """Give what is wrong, by name, with entries that no run could have, whichever endpoint it uses.

    `values` has them by parameter.
    """
    found = [_problems_by_option({**values, "endpoint": endpoint}, entries) for endpoint in ENDPOINTS]
    names = entries.keys() - _NOT_ALONE
    return {
        name: [words.removeprefix("--") for words in problems]
        for name, problems in found[0].items()
        if name in names and all(name in others for others in found)
    }


def _problems_by_option(values: Mapping[str, Any], entries: Mapping[str, Any]) -> dict[str, list[str]]:
    problems: list[str] = []
    mapping = {name: value for name, value in entries.items() if name in KEYS}
    settings = plain_settings(values, mapping, problems)
    for check in (check_settings, read_options):
        with noting(problems):
            check(settings)
    found: dict[str, list[str]] = {}
    for problem in problems:
        if one := _ONE_OPTION.match(problem):
            found.setdefault(one[1], []).append(problem)
    return found
