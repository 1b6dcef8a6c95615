"""What was probably meant by the name of an option, or of a key of a file, that there is not.

Must not know what an option does, or how it is read. Values never come here: they may be secrets.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from mpimport.spelling import nearest

DASHES = "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63\uff0d"  # what text programs make of hyphens
CALLED = {
    "project-id": "p proj pid",
    "username": "u user account acct service-account login",
    "token": "t project-token tkn",
    "region": "residency data-center datacenter",
    "url": "host server address uri api-host",
    "proxy": "http-proxy https-proxy",
    "ca-bundle": "ca cacert cert certs",
    "dry-run": "n test check validate simulate preview noop",
    "format": "type-of-file file-type stream-format",
    "delimiter": "sep separator delim field-separator",
    "encoding": "charset",
    "event-name": "name",
    "time-field": "timestamp timestamp-field",
    "time-format": "date-format timestamp-format",
    "timezone": "tz zone utc",
    "distinct-id-field": "distinct-id user-id user-id-field",
    "insert-id-field": "insert-id",
    "set": "tag tags",
    "drop": "remove exclude scrub",
    "keep": "include only",
    "workers": "j c threads concurrency concurrent parallel parallelism jobs processes connections",
    "batch-size": "b batch chunk chunks chunk-size batch-count events-per-batch records-per-batch",
    "gzip-level": "compression-level",
    "give-up-after": "retry retries max-retries attempts max-attempts",
    "max-events-per-second": "rate rps eps qps throttle rate-limit limit-rate",
    "rejected": "o out output output-file errors error-file bad failed rejects",
    "max-rejected": "max-errors max-failures",
    "report": "html",
    "quiet": "s silent",
    "verbose": "v debug",
    "version": "v",
    "config": "settings",
    "help": "? usage man",
}
"""What other tools call an option of ours (mixpanel-import, mixpanel-utils, curl, psql, jq, and habits)."""
_FILE = "files stand without an option: mpimport FILE"
_ALL = "every event of a file is imported: cut the file first, with head or jq"
_GOES_ON = "the same command, run again, goes on with an import by itself"
_NEEDLESS = "leave it out: nothing is asked"
INSTEAD = {
    **dict.fromkeys(("i", "f", "in-file", "input", "input-file", "file", "data", "data-file", "source", "path"), _FILE),
    **dict.fromkeys(("limit", "skip", "from", "to", "start-date", "end-date", "from-date", "to-date"), _ALL),
    **dict.fromkeys(("resume", "continue"), _GOES_ON),
    **dict.fromkeys(("y", "yes", "force"), _NEEDLESS),
    **{name: f"write --region {name}" for name in ("us", "eu", "in")},
    "log": "lines go to standard error: add 2> FILE",
    "log-file": "lines go to standard error: add 2> FILE",
    "log-level": "--verbose says more, --quiet less",
    "compress": "requests are compressed unless --no-gzip is given",
}
"""What to do instead of giving an option that there is not."""
_INSTEAD = {name.replace("-", ""): words for name, words in INSTEAD.items()}
_LIKENESS = 0.75  # wrokers is 0.86 like workers, host 0.57 like set, version 0.62 like region
_MOST = 4  # names are helpful, more are a list


def hint(word: str, known: Collection[str], prefix: str = "--") -> str:
    """Say what to write in the place of a name that is none of the known ones; empty: nothing is like it."""
    name = _plain(word)
    if f"no-{name}" in known:
        return f"It is so without an option; {prefix}no-{name} turns it off."
    if name.removeprefix("no-") in known and name.startswith("no-"):
        return f"It is off where nothing gives {prefix}{name.removeprefix('no-')}."
    if meant := find_meant(word, known):
        *others, last = [f"'{prefix}{one}'" for one in meant]
        return f"Did you mean {', '.join(others)} or {last}?" if others else f"Did you mean {last}?"
    told = _INSTEAD.get(_squeezed(name), "")
    return f"{told[0].upper()}{told[1:]}." if told else ""


def find_meant(word: str, known: Collection[str]) -> list[str]:
    """Find those of the known names that were probably meant, by the surest sign that there is."""
    name = _plain(word)
    squeezed = _squeezed(name)
    if same := [one for one in known if _squeezed(one) == squeezed]:
        return same
    if called := [one for one, others in CALLED.items() if one in known and squeezed in _squeezed(others).split()]:
        return called
    if squeezed in _INSTEAD or len(name) < 3:
        return []
    begun = [one for one in known if one.startswith(name)]
    inside = [one for one in known if len(name) > 3 and f"-{name}-" in f"-{one}-" and not one.startswith("no-")]
    longer = sorted((one for one in known if name.startswith(f"{one}-")), key=len)[-1:]
    for found in (begun, inside, longer):
        if 0 < len(found) <= _MOST:
            return found
    return [near] if (near := nearest(name, known, _LIKENESS)) else []


def _plain(word: str) -> str:
    """Give a name as options are written: small letters, hyphens, none in front."""
    return re.sub(f"[_{DASHES}]", "-", word).strip("-").lower()


def _squeezed(name: str) -> str:
    return name.replace("-", "")
