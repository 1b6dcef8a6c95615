#!/usr/bin/env python3
"""Make the example files beside this script: the events of a little shop for coffee and tea.

    python examples/make_examples.py            write the files
    python examples/make_examples.py --check    compare them with what would be written

The same bytes come out on every machine and every Python from 3.10 on; nothing but the standard library is needed.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import io
import json
import random
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, TypeAlias, TypeVar
from urllib.parse import urlencode

HERE = Path(__file__).parent
T = TypeVar("T")
Event: TypeAlias = "dict[str, Any]"

PRODUCTS = (
    ("Espresso beans, 1 kg", 2490),
    ("Café crème, 250 g", 890),
    ("Sencha 煎茶, 100 g", 1450),
    ("Yerba maté, 500 g", 1120),
    ("Türk kahvesi, 200 g", 760),
    ("Enamel mug ☕ “Good morning”", 1590),
    ('Filter papers, size 4 ("natural")', 340),
    ("Milk frother", 3995),
)
PLACES = (
    ("Zürich", "CH"),
    ("São Paulo", "BR"),
    ("München", "DE"),
    ("Kraków", "PL"),
    ("東京", "JP"),
    ("İstanbul", "TR"),
    ("New York", "US"),
    ("Montréal", "CA"),
)
PAGES = ("/", "/coffee", "/tea", "/tea/green", "/offers", "/cart", "/checkout", "/help/shipping", "/blog/cold-brew")
REFERRERS = ("https://www.google.com/", "https://duckduckgo.com/", "https://news.example.org/best-mugs", None, None)
BROWSERS = ("Chrome", "Chrome", "Chrome", "Safari", "Safari", "Firefox", "Microsoft Edge")
PLATFORMS = ("iOS", "Android", "Windows", "Mac OS X", "Linux")
SEARCHES = ("espresso", "green tea", "mug blue", "décaf", "gift < 20 €", "抹茶")
GIFT_MESSAGES = (
    "",
    "",
    "",
    "Happy birthday!",
    "Thank you,\nand see you soon",
    'They call it "the good stuff"',
    "Für Oma\n\n„Alles Gute“; Deine Enkel",
)
STORY = "We have been drinking this blend since the shop opened, and every morning it reminds us of that first winter. "


class Dice:
    """Draws that repeat: of `random.Random`, only `random()` is promised to stay the same from Python to Python."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed).random

    def below(self, end: int) -> int:
        """Draw a whole number from 0 to `end` - 1."""
        return int(self._random() * end)

    def chance(self, share: float) -> bool:
        """Say yes in that share of the cases."""
        return self._random() < share

    def pick(self, choices: Sequence[T]) -> T:
        """Draw one of the choices."""
        return choices[self.below(len(choices))]

    def digits(self, count: int) -> str:
        """Draw hexadecimal digits."""
        return "".join(self.pick("0123456789abcdef") for _ in range(count))

    def unique_id(self) -> str:
        """Draw an id in the shape of a UUID: 36 characters, which is the most that an $insert_id may have."""
        return "-".join(self.digits(count) for count in (8, 4, 4, 4, 12))

    def customer(self) -> str:
        """Draw one of a few hundred customers."""
        return f"customer-{1000 + self.below(400)}"

    def times(self, first: str, longest_step_s: int) -> Iterator[int]:
        """Go on through time from a day on, in milliseconds since 1970; every time is later than the one before."""
        now = milliseconds(datetime.fromisoformat(first).replace(tzinfo=timezone.utc))
        while True:
            now += 1 + self.below(longest_step_s * 1000)
            yield now


def milliseconds(moment: datetime) -> int:
    """Give a moment in milliseconds since 1970."""
    return (moment - datetime(1970, 1, 1, tzinfo=timezone.utc)) // timedelta(milliseconds=1)


def iso_8601(time: int) -> str:
    """Write a time in milliseconds as ISO 8601 text."""
    moment = datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(milliseconds=time)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def event_of(dice: Dice, name: str, time: int, properties: Mapping[str, Any]) -> Event:
    """Put an event together in the API's shape."""
    head = {"time": time, "distinct_id": dice.customer(), "$insert_id": dice.unique_id()}
    return {"event": name, "properties": {**head, **properties}}


def flattened(event: Event) -> Event:
    """Move the properties up beside the name."""
    return {"event": event["event"], **event["properties"]}


def page_viewed(dice: Dice) -> Event:
    """Make the properties of a page view."""
    return {
        "$browser": dice.pick(BROWSERS),
        "$os": dice.pick(PLATFORMS),
        "$current_url": f"https://shop.example.com{dice.pick(PAGES)}?session={dice.digits(8)}",
        "$referrer": dice.pick(REFERRERS),
        "is_mobile": dice.chance(0.4),
    }


def product_viewed(dice: Dice) -> Event:
    """Make the properties of a look at a product."""
    product, cents = dice.pick(PRODUCTS)
    return {"product": product, "price": cents / 100, "in_stock": dice.chance(0.9), "photos": 1 + dice.below(6)}


def search_made(dice: Dice) -> Event:
    """Make the properties of a search."""
    return {
        "query": dice.pick(SEARCHES),
        "results": dice.below(40),
        "filters": ["in stock"] if dice.chance(0.3) else [],
    }


def order_completed(dice: Dice) -> Event:
    """Make the properties of an order: a list of objects, and objects within each other."""
    items = [(*dice.pick(PRODUCTS), 1 + dice.below(3)) for _ in range(1 + dice.below(3))]
    city, country = dice.pick(PLACES)
    return {
        "order_id": f"A-{dice.below(90_000) + 10_000}",
        "total": sum(cents * quantity for _, cents, quantity in items) / 100,
        "currency": "EUR",
        "items": [{"product": name, "price": cents / 100, "quantity": quantity} for name, cents, quantity in items],
        "shipping": {"method": dice.pick(("post", "courier")), "address": {"city": city, "country": country}},
    }


KINDS: tuple[tuple[str, Callable[[Dice], Event]], ...] = (
    ("page viewed", page_viewed),
    ("page viewed", page_viewed),
    ("product viewed", product_viewed),
    ("product viewed", product_viewed),
    ("search made", search_made),
    ("order completed", order_completed),
)


def make_shop() -> bytes:
    """NDJSON, one event a line; now and then without an $insert_id, or with another form of time."""
    dice = Dice(1)
    events = []
    for number, time in zip(range(300), dice.times("2025-03-01", 2400), strict=False):
        name, make = dice.pick(KINDS)
        event = event_of(dice, name, time, make(dice))
        properties = event["properties"]
        if number % 10 == 3:
            del properties["$insert_id"]
        if number % 12 == 5:
            properties["time"] = iso_8601(time)
        elif number % 15 == 7:
            properties["time"] = time // 1000
        if number == 150:
            event["event"] = "review written"
            properties["text"] = STORY * 4  # more than the 255 characters that are kept
        events.append(event)
    return ndjson(events)


def make_signups() -> bytes:
    """JSON, an array over many lines."""
    dice = Dice(2)
    events = []
    for _, time in zip(range(200), dice.times("2024-01-08", 150_000), strict=False):
        city, country = dice.pick(PLACES)
        properties = {
            "$city": city,
            "mp_country_code": country,
            "plan": dice.pick(("free", "free", "club")),
            "newsletter": dice.chance(0.5),
            "referred_by": dice.customer() if dice.chance(0.2) else None,
        }
        events.append(event_of(dice, "signed up", time, properties))
    return json_document(events)


def make_export() -> bytes:
    """JSON, an object that holds the array of events somewhere inside."""
    dice = Dice(3)
    events = []
    for _, time in zip(range(100), dice.times("2024-11-04", 20_000), strict=False):
        properties = {
            "topic": dice.pick(("shipping", "return", "invoice", "praise")),
            "channel": dice.pick(("mail", "chat")),
            "tags": [dice.pick(("urgent", "vip", "first order")) for _ in range(dice.below(3))],
            "minutes_to_answer": dice.below(600) / 10,
        }
        events.append(event_of(dice, "support ticket closed", time, properties))
    meta = {"exported_at": "2025-01-02T06:00:00Z", "system": "support desk", "columns": ["topic", "channel", "tags"]}
    return json_document({"meta": meta, "data": {"events": events}})


def make_orders() -> bytes:
    """CSV as a spreadsheet writes it: empty cells, quotes and line breaks in cells, two forms of time."""
    dice = Dice(4)
    rows = []
    for number, time in zip(range(200), dice.times("2025-01-02", 9000), strict=False):
        order = order_completed(dice)
        row = {
            "event": "order completed",
            "time": iso_8601(time) if number % 4 == 1 else str(time // 1000),
            "distinct_id": dice.customer(),
            "$insert_id": dice.unique_id() if number % 5 else "",
            "order_id": order["order_id"],
            "total": f"{order['total']:.2f}",
            "currency": order["currency"],
            "first_product": order["items"][0]["product"],
            "coupon": "WELCOME-10" if dice.chance(0.15) else "",
            "city": order["shipping"]["address"]["city"],
            "gift_message": dice.pick(GIFT_MESSAGES),
        }
        rows.append(row)
    return table(rows, delimiter=",")


def make_warehouse() -> bytes:
    """CSV of somebody else's: own names, semicolons, local times, long URLs, long JSON text; a mapping file fits it."""
    dice = Dice(9)
    rows = []
    for number, time in zip(range(120), dice.times("2025-03-20", 20_000), strict=False):
        customer = 1000 + dice.below(40)
        product, cents = dice.pick(PRODUCTS)
        pick = {"shelf": f"{dice.pick('ABCD')}-{dice.below(90) + 10}", "by": {"station": 1 + dice.below(6)}}
        text = (dice.pick(GIFT_MESSAGES) or STORY) * 20
        details = {"pick": pick, "weight_g": 100 + dice.below(3000), "text": text[:240]}
        parameters = {"utm_source": "newsletter", "utm_campaign": "spring", "session": dice.digits(200)}
        row = {
            "Action": dice.pick(("order packed", "order packed", "parcel returned")),
            "When": local_time(time),
            "Customer No": f"{customer:06}",
            "Mail": f"customer.{customer}@example.com",
            "Order No": f"{10_000 + number // 2}",
            "Position": str(1 + number % 2),
            "Product": product,
            "Amount": f"{cents / 100:.2f}",
            "Postcode": f"{dice.below(99_999):05}",
            "Club member": dice.pick(("yes", "no", "")),
            "Landing page": f"https://shop.example.com{dice.pick(PAGES)}?{urlencode(parameters)}",
            "Details": json.dumps(details, ensure_ascii=False),
            "Note": dice.pick(("", "", "fragile", "call first; then ring")),
        }
        rows.append(row)
    return table(rows, delimiter=";")


def local_time(time: int) -> str:
    """Write a time as the clocks of the warehouse showed it, in Berlin around the last Sunday of March 2025."""
    offset = 2 if time >= milliseconds(datetime(2025, 3, 30, 1, tzinfo=timezone.utc)) else 1
    moment = datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(milliseconds=time, hours=offset)
    return f"{moment:%d.%m.%Y %H:%M}"


def make_sessions() -> bytes:
    """TSV, flat."""
    dice = Dice(5)
    rows = []
    for _, time in zip(range(100), dice.times("2025-02-03", 5000), strict=False):
        row = {
            "event": "session ended",
            "time": str(time),
            "distinct_id": dice.customer(),
            "$insert_id": dice.unique_id(),
            "$device_id": dice.digits(16),
            "$os": dice.pick(PLATFORMS),
            "pages": str(1 + dice.below(20)),
            "duration_s": str(dice.below(36_000) / 10),
            "last_page": dice.pick(PAGES),
            "campaign": dice.pick(("", "", "spring", "newsletter 7")),
        }
        rows.append(row)
    return table(rows, delimiter="\t")


def make_pageviews() -> bytes:
    """NDJSON of one day, to be compressed; visitors without a name have a $device_id and no distinct_id."""
    dice = Dice(6)
    events = []
    for number, time in zip(range(400), dice.times("2025-03-14", 400), strict=False):
        event = event_of(dice, "page viewed", time, page_viewed(dice))
        if number % 4 == 2:
            del event["properties"]["distinct_id"]
            event["properties"]["$device_id"] = dice.digits(16)
        events.append(event)
    return ndjson(events)


def make_flat() -> bytes:
    """NDJSON of flat records: everything stands beside the name, and no id was thought of."""
    dice = Dice(7)
    events = []
    for _, time in zip(range(100), dice.times("2024-06-01", 30_000), strict=False):
        campaign = {"campaign": dice.pick(("spring", "newsletter 7")), "client": dice.pick(("web", "phone"))}
        event = flattened(event_of(dice, dice.pick(("mail sent", "mail opened", "mail opened")), time, campaign))
        del event["$insert_id"]
        events.append(event)
    return ndjson(events)


LONG_LIST = ",".join(f'"product-{number}"' for number in range(300)).encode()
MANY_PROPERTIES = b"".join(b',"answer_%d":true' % number for number in range(260))
Replacement: TypeAlias = "bytes | Callable[[re.Match[bytes]], bytes]"

MISTAKES: tuple[tuple[str, bytes, Replacement], ...] = (
    # What is wrong, which part of a good line is changed (a pattern), and into what.
    ("the event has no name", rb'"event":"[^"]*",', b""),
    ("the name is empty", rb'"event":"[^"]*"', b'"event":""'),
    ("the properties are JSON within JSON", rb'("properties":)(\{.*\})\}', lambda m: m[1] + quoted(m[2]) + b"}"),
    ("there is no time", rb'"time":\d+,', b""),
    ("the time was never set", rb'"time":\d+', b'"time":0'),
    ("the time stands for never", rb'"time":\d+', b'"time":"2099-12-31"'),
    ("the time is a word", rb'"time":\d+', b'"time":"yesterday"'),
    ("the distinct_id is a null that became text", rb'"distinct_id":"[^"]*"', b'"distinct_id":"null"'),
    ("the distinct_id is a variable that was not set", rb'"distinct_id":"[^"]*"', b'"distinct_id":"undefined"'),
    ("there is no distinct_id", rb'"distinct_id":"[^"]*",', b""),
    ("the $insert_id is an unset variable", rb'"\$insert_id":"[^"]*"', b'"$insert_id":"undefined"'),
    ("the $insert_id is an object, as a database writes it", rb'("\$insert_id":)("[^"]*")', rb'\g<1>{"$oid":\g<2>}'),
    ("objects lie too deep in each other", rb'"number":7', b'"number":{"house":7,"door":{"left":true}}'),
    ("a list is too long", rb'"items":\[[^]]*\]', b'"items":[' + LONG_LIST + b"]"),
    ("there are too many properties", rb"\}\}$", MANY_PROPERTIES + b"}}"),
    ("a property has a reserved name", rb'"group":', b'"bucket":'),
    ("a key stands beside event and properties", rb"\}$", b',"user_agent":"curl/8.5"}'),
    ("the line was cut off", rb".{40}$", b""),
    ("the line ends with a comma, as in an array", rb"$", b","),
    ("a number is NaN", rb'"total":[\d.]+', b'"total":NaN'),
    ("a name stands twice", rb'("total":[\d.]+)', rb'\g<1>,"total":0'),
    ("the event is wrapped in an array", rb"^.*$", rb"[\g<0>]"),
    ("the text is Latin-1, not UTF-8", "ü".encode(), "ü".encode("latin-1")),
    ("half an emoji was cut off", "☕".encode(), rb"\\ud83c"),
)


def quoted(text: bytes) -> bytes:
    """Write text as a JSON string."""
    return json.dumps(text.decode(), ensure_ascii=False).encode()


def make_mistakes() -> bytes:
    """NDJSON, about half of its lines good; every other line has one mistake, each a different one."""
    good = good_lines(Dice(8))
    lines = []
    for number, (what, pattern, replacement) in enumerate(MISTAKES):
        if number % 6:
            lines.append(next(good))
        line, changed = re.subn(pattern, replacement, next(good), count=1)
        if not changed:
            raise ValueError(f"{what}: {pattern!r} is in no line")
        lines.append(line)
    return b"\n".join(lines) + b"\n"


def good_lines(dice: Dice) -> Iterator[bytes]:
    """Give lines that have everything that a mistake of the table changes."""
    for time in dice.times("2025-04-01", 4000):
        properties = {
            "order_id": f"A-{dice.below(90_000) + 10_000}",
            "total": (500 + dice.below(9000)) / 100,
            "group": dice.pick(("club", "guest")),
            "items": ["Café crème", "mug ☕"],
            "address": {"city": "Zürich", "street": {"name": "Hafenweg", "number": 7}},
        }
        yield compact(event_of(dice, "order completed", time, properties))


def compact(value: object) -> bytes:
    """Write a value as one line of JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def ndjson(values: Iterable[object]) -> bytes:
    """Write one value a line."""
    return b"".join(compact(value) + b"\n" for value in values)


def json_document(value: object) -> bytes:
    """Write a value over many lines."""
    return json.dumps(value, ensure_ascii=False, indent=2).encode() + b"\n"


def table(rows: Sequence[Mapping[str, str]], delimiter: str) -> bytes:
    """Write a header row and the rows."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]), delimiter=delimiter, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


FILES: dict[str, Callable[[], bytes]] = {
    "shop.ndjson": make_shop,
    "signups.json": make_signups,
    "export.json": make_export,
    "orders.csv": make_orders,
    "sessions.tsv": make_sessions,
    "pageviews.ndjson.gz": make_pageviews,
    "flat.ndjson": make_flat,
    "warehouse.csv": make_warehouse,
    "mistakes.ndjson": make_mistakes,
}


def content_of(path: Path) -> bytes | None:
    """Read a file, decompressed if its name says so; None when that cannot be done."""
    try:
        data = path.read_bytes()
        return gzip.decompress(data) if path.suffix == ".gz" else data
    except (OSError, EOFError):
        return None


def write(path: Path, content: bytes) -> None:
    """Write a file. What is compressed differs from one zlib to the next, so an equal file is left alone."""
    if content_of(path) != content:
        path.write_bytes(gzip.compress(content, mtime=0) if path.suffix == ".gz" else content)


def main(arguments: Sequence[str] | None = None) -> int:
    """Write or check all files; return the exit code."""
    parser = argparse.ArgumentParser(description="Make the example files beside this script.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when a file is not what is made")
    check = parser.parse_args(arguments).check
    made = {HERE / name: make() for name, make in FILES.items()}
    if not check:
        for path, content in made.items():
            write(path, content)
        return 0
    wrong = [path.name for path, content in made.items() if content_of(path) != content]
    if wrong:
        print(f"not what make_examples.py makes: {', '.join(wrong)}; run it to make them anew", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
