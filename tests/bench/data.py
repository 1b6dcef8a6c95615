"""The data of the benchmark: events of about 520 bytes as a web shop might send them, the same bytes at every call.

Files are made once and kept; their names hold the number of events and a digest of this module.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any, BinaryIO, TypeAlias

BAD_SHARE = 0.05

Event: TypeAlias = dict[str, Any]


def _split(text: str) -> list[str]:
    return text.split("|")


_NAMES = _split(
    "Page View|Page View|Page View|Page View|Button Click|Button Click|Search|Product Viewed|Product Viewed|"
    "Add To Cart|Checkout Started|Order Completed|Sign Up|Log In|Video Played|App Opened|App Opened|"
    "Notification Received|Feature Used|Settings Changed"
)
_BROWSERS = _split("Chrome|Chrome|Chrome|Safari|Safari|Firefox|Microsoft Edge|Samsung Internet")
_SYSTEMS = _split("Windows|Mac OS X|iOS|iOS|Android|Android|Linux")
_CITIES = _split(
    "São Paulo, BR|München, DE|New York, US|San Francisco, US|東京, JP|Paris, FR|London, GB|İstanbul, TR|"
    "Mumbai, IN|Kraków, PL|Chicago, US|Austin, US|Montréal, CA|Zürich, CH"
)
_TITLES = _split(
    'Home|Pricing \u2013 Acme|Café & Crème \u2615 recipes|How to "ship" faster|Dashboard / Reports|'
    "Søk etter produkter|Docs: C:\\path\\to\\file|\U0001f389 Sale ends soon!|Account settings|Checkout"
)
_SECTIONS = _split("products|blog|docs|pricing|account/settings|search|checkout/step-2|category/shoes")
_CAMPAIGNS = ("google", "facebook", "newsletter", "twitter", None, None, "partner-7")
_PLANS = ("free", "free", "pro", "team", "enterprise")
_WORDS = _split(
    "red|blue|running|shoes|laptop|stand|wireless|mouse|4k|monitor|usb|cable|desk|lamp|standing|mat|noise|"
    "cancelling|headset|phone|case|winter|jacket"
)
_COLUMNS = _split(
    "event|time|distinct_id|$insert_id|$browser|$os|$city|mp_country_code|$current_url|$referrer|page_title|price|"
    "quantity|is_mobile|plan|session_id|$screen_width|utm_source"
)


def _hex(draw: Random, digits: int) -> str:
    return f"{draw.getrandbits(4 * digits):0{digits}x}"


def events(count: int) -> Iterator[Event]:
    """Make good events: 13 to 18 properties, three of ten with an array or an object."""
    draw = Random(1)
    for _ in range(count):
        yield _make_event(draw)


def _make_event(draw: Random) -> Event:
    city, country = draw.choice(_CITIES).split(", ")
    who = f"{(draw.getrandbits(18) * 2_654_435_761) & 0xFFFFFFFF:08x}"
    search = f"?ref={draw.choice(_WORDS)}&sid={_hex(draw, 8)}"
    properties: Event = {
        "time": 1_714_521_600_000 + draw.randrange(90 * 86_400_000),
        "distinct_id": f"{who}-{who[2:6]}-4{who[1:4]}-a{who[4:7]}-{who}{who[:4]}",
        "$insert_id": "-".join(_hex(draw, digits) for digits in (8, 4, 4, 4, 12)),
        "$browser": draw.choice(_BROWSERS),
        "$os": draw.choice(_SYSTEMS),
        "$city": city,
        "mp_country_code": country,
        "$current_url": f"https://www.example.com/{draw.choice(_SECTIONS)}/{draw.getrandbits(14)}{search}",
        "page_title": draw.choice(_TITLES),
        "is_mobile": draw.random() < 0.4,
        "plan": draw.choice(_PLANS),
        "session_id": _hex(draw, 16),
        "$screen_width": draw.choice((1920, 1440, 390, 412, 2560, 1366)),
    }
    kind = draw.random()
    if kind < 0.5:
        properties["$referrer"] = f"https://www.google.com/search?q={draw.choice(_WORDS)}+{draw.choice(_WORDS)}"
    properties["utm_source"] = draw.choice(_CAMPAIGNS)
    if kind < 0.35:
        properties["price"] = round(draw.random() * 500, 2)
        properties["quantity"] = 1 + draw.getrandbits(2)
    properties.update(_nested(draw, kind))
    return {"event": draw.choice(_NAMES), "properties": properties}


def _nested(draw: Random, kind: float) -> Event:
    if kind < 0.10:
        return {"items": [_make_item(draw) for _ in range(1 + draw.getrandbits(1))]}
    if kind < 0.2:
        test = {"name": f"checkout-v{draw.getrandbits(3)}", "variant": draw.choice("ABC")}
        return {"context": {"ab_test": test, "latency_ms": round(draw.random() * 900, 3), "retry": False}}
    if kind > 0.9:
        return {"search_terms": [draw.choice(_WORDS) for _ in range(1 + draw.getrandbits(2))]}
    return {}


def _make_item(draw: Random) -> Event:
    tags = [draw.choice(_WORDS), draw.choice(_WORDS)]
    sku = f"SKU-{draw.getrandbits(16):05d}"
    return {"sku": sku, "price": round(draw.random() * 200, 2), "qty": 1 + draw.getrandbits(2), "tags": tags}


def spoilt(count: int) -> Iterator[Event]:
    """Make the same events, `BAD_SHARE` of them wrong in one of eight ways, none of which can be mended."""
    draw = Random(2)
    for event in events(count):
        if draw.random() < BAD_SHARE:
            _SPOILERS[draw.randrange(len(_SPOILERS))](event, event["properties"])
        yield event


_SPOILERS: tuple[Callable[[Event, Event], object], ...] = (
    lambda event, _: event.pop("event"),
    lambda event, _: event.update(event=""),
    lambda _, properties: properties.pop("time"),
    lambda _, properties: properties.update(time=-5),
    lambda _, properties: properties.update(time="next Tuesday"),
    lambda _, properties: properties.update(distinct_id="undefined"),
    lambda _, properties: properties.pop("distinct_id"),
    lambda _, properties: properties.update(deep={"a": {"b": {"c": {"d": {"e": 1}}}}}),
)


def _write_ndjson(file: BinaryIO, made: Iterator[Event]) -> None:
    file.writelines(_line(event) + b"\n" for event in made)


def _line(event: Event) -> bytes:
    return json.dumps(event, separators=(",", ":"), ensure_ascii=False).encode()


def _write_array(file: BinaryIO, made: Iterator[Event]) -> None:
    for number, event in enumerate(made):
        file.write(b",\n" if number else b"[")
        file.write(_line(event))
    file.write(b"]\n")


def _write_csv(file: BinaryIO, made: Iterator[Event]) -> None:
    text = io.TextIOWrapper(file, encoding="utf-8", newline="")
    rows = csv.writer(text)
    rows.writerow(_COLUMNS)
    for event in made:
        flat = {"event": event["event"], **event["properties"]}
        rows.writerow([_cell(flat.get(name)) for name in _COLUMNS])
    text.detach()


def _cell(value: object) -> object:
    return str(value).lower() if isinstance(value, bool) else value


SHAPES: dict[str, tuple[str, Callable[[int], Iterator[Event]], Callable[[BinaryIO, Iterator[Event]], None]]] = {
    "clean": ("ndjson", events, _write_ndjson),
    "bad": ("ndjson", spoilt, _write_ndjson),
    "array": ("json", events, _write_array),
    "rows": ("csv", events, _write_csv),
}
"""Name of the file -> its extension, its events, its writer. Rows leave out what is nested."""

_DIGEST = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:8]


def data_file(folder: Path, shape: str, count: int) -> Path:
    """Give the file of that shape with so many events, made now if it is not there yet."""
    extension, make, write = SHAPES[shape]
    path = folder / f"{shape}-{count}-{_DIGEST}.{extension}"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".part")
        with unfinished.open("wb", buffering=1 << 20) as file:
            write(file, make(count))
        unfinished.replace(path)
    return path
