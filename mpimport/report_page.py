"""The page that shows a run's report: one file, no script, nothing loaded. Pure: from the report's object to text.

All text goes through `markup`, which escapes it, and `clean`, which makes control characters visible; the page's
policy lets nothing run or load but its own style. Knows neither files nor how a run went.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from importlib import resources
from typing import Any

from mpimport.markup import Element, element, put, write
from mpimport.printable import clean
from mpimport.report_pictures import both, by_day, over_time, share_bar
from mpimport.summary_text import duration, many, megabytes, speed_of

TOP_NAMES = 25
MAX_SHOWN = 200  # rows of a table, and characters times ten of a text
_KINDS = {0: "good", 1: "warn"}

Report = Mapping[str, Any]


def page(report: Report) -> str:
    """Write the page."""
    style = resources.files("mpimport").joinpath("report_page.css").read_text(encoding="utf-8")
    digest = base64.b64encode(sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'"
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=policy),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("meta", name="referrer", content="no-referrer"),
        element("link", rel="icon", href="data:,"),
        element("title", f"mpimport: {_text(report['headline'])}"),
        element("style", style),
    )
    body = element("body", _header(report), element("main", *_sections(report)), _footer(report))
    return f"<!doctype html>\n{write(element('html', head, body, lang='en'))}\n"


def _text(value: object) -> str:
    """Make any value text that can be shown: no control characters, of no endless length."""
    text = str(value)
    return clean(text if len(text) <= MAX_SHOWN * 10 else f"{text[: MAX_SHOWN * 10]}…")


def _outside(value: object, tag: str = "bdi") -> Element:
    """Show text from outside, whose direction of writing must not turn what stands around it."""
    return element(tag, element("bdi", _text(value))) if tag != "bdi" else element("bdi", _text(value))


def _header(report: Report) -> Element:
    kind = _KINDS.get(report["exit_code"], "bad")
    return element(
        "header",
        element("h1", "mpimport: report of a run"),
        element("p", _text(report["headline"]), class_=f"headline {kind}"),
        element(
            "p",
            f"{report['started'].replace('T', ' ').replace('+00:00', '')} UTC, {duration(report['seconds'])}, "
            f"exit code {report['exit_code']}",
            class_="soft",
        ),
        *(element("p", f"Next: {_text(step)}") for step in report["next_steps"]),
    )


def _footer(report: Report) -> Element:
    return element(
        "footer",
        element(
            "p",
            f"Written by mpimport {_text(report['mpimport_version'])}. What comes from the data is text, whatever "
            "it says, and may be personal.",
            class_="soft",
        ),
    )


def _section(title: str, *children: Element | str) -> Element:
    return element("section", element("h2", title), *children)


def _sections(report: Report) -> Iterator[Element]:
    yield _section("The account", *_account(report))
    yield _section("Over time", *_time(report))
    yield _section(f"Events by {report['day_unit']}", *_days(report))
    yield _section("Events by name", *_names(report))
    if report["reject_examples"]:
        yield _section("Why events were rejected", *_rejects(report))
    if report["mends"]:
        rows = [(f"{one['count']:,}", _outside(one["meaning"])) for one in report["mends"]]
        yield _section("What was changed or noticed", _table(("count", "what"), rows, "nt"))
    if report["notes"] or report["messages"]:
        yield _section("Notes, warnings and errors", *_messages(report))
    yield _section("Options", *_options(report))


def _account(report: Report) -> Iterator[Element]:
    arrived = ("valid", report["valid"]) if report["dry_run"] else ("imported", report["imported"])
    counts = [
        ("read", report["read"], ""),
        (*arrived, "good" if arrived[1] else ""),
        ("rejected", report["rejected"], "warn" if report["rejected"] else ""),
        ("undelivered", report["undelivered"], "bad" if report["undelivered"] else ""),
    ]
    cards = element("dl", class_="cards")
    for name, count, kind in counts:
        put(cards, element("div", element("dt", name), element("dd", f"{count:,}"), class_=kind))
    yield cards
    parts = " + ".join(f"{name} {count:,}" for name, count, _ in counts[1:])
    yield element("p", f"read {report['read']:,} = {parts}", class_="soft")
    yield _facts(_what(report))


def _what(report: Report) -> Iterator[tuple[str, str]]:
    speed = speed_of(report["imported"] + report.get("valid", 0), report["rejected"], report["seconds"])
    yield "into", report["destination"]
    more = report["source_count"] - len(report["sources"][:20])
    yield "from", ", ".join(report["sources"][:20]) + (f" and {more:,} more" if more else "")
    if report["resumed"]:
        yield "earlier runs", f"{report['already_imported']:,} imported, {report['already_rejected']:,} rejected"
    yield "speed", ", ".join(filter(None, (speed, f"{megabytes(report['bytes'])} of JSON")))
    if not report["dry_run"]:
        yield "requests", f"{report['requests']:,}, of which {report['retries']:,} repeated a failed one"
    for name, files in (("rejected events", "rejected_files"), ("undelivered events", "undelivered_files")):
        if report[files]:
            yield name, ", ".join(report[files][:20]) + (" and more" if len(report[files]) > 20 else "")
    if report["checkpoint"]:
        yield "checkpoint", report["checkpoint"]


def _facts(facts: Iterable[tuple[str, str]]) -> Element:
    rows = (element("tr", element("th", name, scope="row"), _outside(value, "td")) for name, value in facts)
    return element("table", element("tbody", *rows), class_="facts")


def _table(
    heads: Sequence[str], rows: Iterable[Sequence[Element | str]], kinds: str, *, stacks: bool = False
) -> Element:
    """Make a table of numbers (n), words (w), places (p), text (t) and shares (s). `stacks`: a list on a phone."""
    classes = [_COLUMNS[kind] for kind in kinds]
    body = element("tbody")
    for row in rows:
        cells = zip(heads, row, classes, strict=True)
        body.append(element("tr", *(element("td", cell, data_label=head, class_=kind) for head, cell, kind in cells)))
    titles = (element("th", head, scope="col", class_=kind) for head, kind in zip(heads, classes, strict=True))
    return element("table", element("thead", element("tr", *titles)), body, class_="stack" if stacks else "")


_COLUMNS = {"n": "number", "w": "word", "p": "place", "t": "", "s": "share"}


def _folded(title: str, table: Element) -> Element:
    return element("details", element("summary", title), element("div", table, class_="scroll"))


def _time(report: Report) -> Iterator[Element]:
    if not report["read"]:
        yield element("p", "No event was read.", class_="soft")
        return
    yield both(over_time(report))
    names = ("imported", "rejected", "failed", "throttled", "rate_limit_s", "back_off_s")
    heads = ("from, s", "imported", "rejected", "failed requests", "429s", "paced, s", "backoff, s")
    rows = [(f"{one['start']:g}", *(f"{one[name]:,}" for name in names)) for one in report["buckets"]]
    yield _folded("The numbers", _table(heads, rows, "n" * len(heads)))


def _days(report: Report) -> Iterator[Element]:
    bars = report["day_buckets"]
    if not bars:
        yield element("p", "No event arrived." if not report["dry_run"] else "No event is valid.", class_="soft")
        return
    yield both(by_day(report))
    rows = [(label, f"{count:,}") for label, count in bars.items()]
    yield _folded("The numbers", _table((f"{report['day_unit']} (UTC)", "events"), rows, "tn"))
    if report["resumed"]:
        yield element("p", "Without what earlier runs of this import have imported.", class_="soft")


def _names(report: Report) -> Iterator[Element]:
    names = report["events_by_name"]
    total = sum(names.values()) + report["other_events"]
    if not total:
        yield element("p", "None.", class_="soft")
        return
    shown = list(names.items())[:TOP_NAMES]
    rows = [(_name(name), f"{count:,}", _percent(count, total), share_bar(count / total)) for name, count in shown]
    yield _table(("event", "events", "share", ""), rows, "tnns")
    left = total - sum(count for _, count in shown)
    if left:
        others = report["distinct_event_names"] - len(shown)
        about = "about " if report["other_events"] else ""  # what is not told apart is counted roughly
        yield element("p", f"and {many(left, 'event')} of {about}{many(others, 'other name')}", class_="soft")


def _name(name: str) -> Element:
    """Show a name; in quotes where it could not be seen, or not where it begins and ends."""
    return element("i", "(empty)") if not name else _outside(name if name == name.strip() else f'"{name}"')


def _percent(part: int, whole: int) -> str:
    share = part / whole
    if part < whole and not 0.001 <= share < 0.9995:
        return "<0.1%" if share < 0.001 else ">99.9%"
    return f"{share:.1%}"


def _rejects(report: Report) -> Iterator[Element]:
    yield element("p", "An event may have several reasons; the first that was met is shown for each.", class_="soft")
    rows = [
        (element("code", one["code"]), f"{one['count']:,}", _outside(f"{one['source']}:{one['line']}"),
         _outside(one["message"]))
        for one in report["reject_examples"]
    ]  # fmt: skip
    yield _table(("reason", "events", "example", "what is wrong"), rows, "wnpt", stacks=True)


def _messages(report: Report) -> Iterator[Element]:
    for note in report["notes"][:MAX_SHOWN]:
        yield _outside(note, "p")
    rows = [(f"{one['seconds']:.1f}", one["level"], _outside(one["message"])) for one in report["messages"]]
    if rows:
        yield _table(("at, s", "kind", "message"), rows, "nwt", stacks=True)
    if report["messages_left_out"]:
        yield element("p", f"and {report['messages_left_out']:,} more", class_="soft")


def _options(report: Report) -> Iterator[Element]:
    if not report["options"]:
        yield element("p", "All as they are by default.", class_="soft")
        return
    yield element("p", "Those that were given; credentials are left out.", class_="soft")
    yield _facts(report["options"].items())
