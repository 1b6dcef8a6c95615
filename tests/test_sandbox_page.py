"""The sandbox's page, in a real browser: what arrived is shown, by itself, and as text."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import Browser, find_browser
from test_sandbox import JSON, config, event, fetch, ndjson, numbered, post
from test_sandbox_engage import engage, update

from mpimport.sandbox import Sandbox

HTML = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
EVIL = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"

in_a_browser = pytest.mark.skipif(
    find_browser() is None or os.name != "posix", reason="no Chromium is installed (Debian: apt-get install chromium)"
)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(config()) as running:
        yield running


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    program = find_browser()
    assert program
    with Browser(program, tmp_path / "profile") as running:
        yield running


def cells(browser: Browser, place: str) -> Any:
    """Give the text of a table's rows, cell by cell."""
    return browser.run(
        f"[...document.querySelectorAll('#{place} tbody tr')].map("
        "row => [...row.children].map(cell => cell.textContent.trim()))"
    )


def counters(browser: Browser) -> dict[str, str]:
    pairs = browser.run(
        "[...document.querySelectorAll('dl div')].map(one => [...one.children].map(it => it.innerText))"
    )
    return dict(pairs)


def test_browsers_get_the_page_and_others_the_guide(sandbox: Sandbox) -> None:
    page, guide = fetch(sandbox, "GET", "/", headers=HTML), fetch(sandbox, "GET", "/", headers={"Accept": "*/*"})

    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert page.body.startswith(b"<!doctype html>")
    policy = page.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy
    assert b"http:" not in page.body
    assert b"https:" not in page.body
    assert guide.headers["Content-Type"].startswith("text/plain")
    assert page.headers["Vary"] == guide.headers["Vary"] == "Accept"
    assert all(path in guide.body for path in (b"/import", b"/track", b"/engage", b"/profiles", b"/refused"))
    assert fetch(sandbox, "GET", "/events").headers["X-Content-Type-Options"] == "nosniff"


def test_no_markup_is_made_of_text() -> None:
    page = (Path(__file__).parents[1] / "mpimport" / "sandbox" / "page.html").read_text(encoding="utf-8")

    assert not [
        word for word in ("innerHTML", "outerHTML", "insertAdjacent", "document.write", "eval(") if word in page
    ]


@in_a_browser
def test_the_page_shows_what_arrived(sandbox: Sandbox, browser: Browser) -> None:
    post(sandbox, ndjson([*numbered(3), event("Paid", insert_id="p", distinct_id="ann", amount=9)]))
    post(sandbox, ndjson([*numbered(1), event(time=5, insert_id="a_b"), event(distinct_id="null")]))
    post(sandbox, b"{", headers={"Content-Type": JSON})
    engage(sandbox, [update("ann", set={"plan": "pro"})])
    browser.open(sandbox.url)
    browser.wait_for("document.querySelector('#latest tbody tr')")

    shown = counters(browser)
    assert {name: shown[name] for name in ("stored", "duplicates", "refused", "profiles", "requests")} == {
        "stored": "4",
        "duplicates": "1",
        "refused": "3",
        "profiles": "1",
        "requests": "4",
    }
    assert cells(browser, "names") == [["Signed Up", "3"], ["Paid", "1"]]
    assert [row[1:3] for row in cells(browser, "latest")] == [["Paid", "ann"], *[["Signed Up", "user"]] * 3]
    reasons = dict(cells(browser, "reasons"))
    assert reasons["'properties.distinct_id' is invalid: must not be one of the disallowed values"] == "1"
    assert reasons["request body is not valid JSON in the object"] == "1"
    assert [row[1] for row in cells(browser, "refused")] == ["/import"] * 3
    assert "the whole request" in cells(browser, "refused")[0][2]
    assert "must not be before 1971-01-01" in cells(browser, "refused")[2][2]
    assert "must be 1 to 36 characters" in cells(browser, "refused")[2][2]
    assert cells(browser, "profiles")[0][1] == "ann"
    assert json.loads(browser.run("document.querySelector('#profiles pre').textContent")) == {"plan": "pro"}
    assert json.loads(browser.run("document.querySelector('#latest pre').textContent"))["properties"]["amount"] == 9
    assert browser.problems == []


@in_a_browser
def test_what_a_stranger_sends_is_text(sandbox: Sandbox, browser: Browser) -> None:
    post(sandbox, ndjson([event(EVIL, insert_id="a", distinct_id=EVIL, **{EVIL: EVIL})]))
    post(sandbox, ndjson([event(EVIL, time=5, **{EVIL: EVIL}), {"event": "x", "properties": {}, EVIL: 1}]))
    engage(sandbox, [update(EVIL, set={EVIL: EVIL})])
    engage(sandbox, [update(EVIL, **{EVIL: EVIL})])
    browser.open(sandbox.url)
    browser.wait_for("document.querySelector('#profiles tbody tr')")

    assert cells(browser, "names") == [[EVIL, "1"]]
    assert cells(browser, "latest")[0][1:3] == [EVIL, EVIL]
    assert cells(browser, "profiles")[0][1] == EVIL
    assert browser.run("document.title") == "mpimport-sandbox"
    assert browser.run("document.querySelectorAll('img, main script').length") == 0
    # The second line of defence: even markup that came in would not run.
    browser.run(f"document.body.insertAdjacentHTML('beforeend', {json.dumps(EVIL)})")
    browser.wait_for("document.querySelector('img').complete")
    assert browser.run("document.title") == "mpimport-sandbox"


@in_a_browser
def test_what_cannot_be_seen_is_written_out_and_what_is_left_out_is_counted(sandbox: Sandbox, browser: Browser) -> None:
    names = ["  ", "\u202eturned", *(f"name {number}" for number in range(30))]
    post(sandbox, ndjson([event(name, insert_id=f"n{at}") for at, name in enumerate(names)]))
    post(sandbox, ndjson([event("  ", insert_id=f"a{at}") for at in range(5)]))
    post(sandbox, ndjson([event("\u202eturned", insert_id=f"b{at}") for at in range(4)]))
    browser.open(sandbox.url)
    browser.wait_for("document.querySelector('#names tbody tr')")

    assert cells(browser, "names")[:2] == [['"  "', "6"], ["\\u202eturned", "5"]]
    left = 41 - sum(int(count) for _, count in cells(browser, "names"))
    assert browser.run("document.querySelector('#others').textContent") == f"and {left} events of other names. "


@in_a_browser
def test_the_most_frequent_names_are_shown_however_many_there_are(
    sandbox: Sandbox, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mpimport.sandbox.store._MAX_NAMES", 50)
    post(sandbox, ndjson([event(f"rare {number}", insert_id=f"a{number}") for number in range(1000)]))
    often = [(str(at), at) for at in range(10, 40)]  # numbers as names: JavaScript would put these first, by number
    post(sandbox, ndjson([event(name, insert_id=f"{name}-{at}") for name, count in often for at in range(count)]))
    post(sandbox, ndjson([event(f"rare again {number}", insert_id=f"b{number}") for number in range(1000)]))
    browser.open(sandbox.url)
    browser.wait_for("document.querySelector('#names tbody tr')")

    shown = often[:-21:-1]
    assert cells(browser, "names") == [[name, str(count)] for name, count in shown]
    left = sandbox.stats()["stored"] - sum(count for _, count in shown)
    words = f"and {left:,} events of other names. There are too many names to count each exactly: these"
    assert browser.run("document.querySelector('#others').textContent").startswith(words)
    assert browser.problems == []


@in_a_browser
def test_what_is_shown_is_what_was_sent_and_stays_in_its_place(sandbox: Sandbox, browser: Browser) -> None:
    big = {"id": 9007199254740993, "nested": {"a": [], "b": [1, {"c": 'a, "b": {'}]}, "turned": "\u202eabc"}
    piled = "e" + "\u0301" * 200
    post(sandbox, json.dumps(event(piled, **big), ensure_ascii=False).encode())
    post(
        sandbox,
        json.dumps(
            event("a\nb", insert_id="a_b", n=1.10, escaped="\u65e5\u672c", deep=json.loads("[" * 200 + "]" * 200))
        ).encode(),
    )
    engage(sandbox, [update("ann", set={"id": 9007199254740993})])
    browser.open(sandbox.url)
    browser.wait_for("document.querySelector('#profiles tbody tr')")
    event_text, refused_text, profile_text = (
        browser.run(f"document.querySelector('#{place} pre').textContent")
        for place in ("latest", "refused", "profiles")
    )

    assert json.loads(event_text)["properties"] == event(**big)["properties"]
    assert "\u202e" not in event_text
    assert '\n    "id": 9007199254740993,\n    "nested": {\n      "a": [],\n' in event_text
    assert json.loads(refused_text)["properties"]["n"] == 1.1
    assert "\u65e5\u672c" in refused_text
    assert max(map(len, refused_text.splitlines())) < 80
    assert profile_text == '{\n  "id": 9007199254740993\n}'
    assert browser.run("document.querySelector('#profiles summary').textContent") == "1 property"
    assert cells(browser, "latest")[0][0].startswith("2023-11-1")  # it was not today
    # Marks that are piled up do not run over what stands above.
    browser.run("document.querySelector('#latest bdi').scrollIntoView({block: 'center'})")
    assert browser.run("getComputedStyle(document.querySelector('#latest bdi')).overflowY") == "clip"
    assert browser.run("document.querySelector('#latest bdi').offsetHeight < 50")
    assert browser.problems == []


@in_a_browser
def test_the_page_follows_by_itself_until_it_is_paused(sandbox: Sandbox, browser: Browser) -> None:
    browser.open(sandbox.url)
    browser.wait_for("document.querySelector('#names').innerText === 'None so far.'")
    post(sandbox, ndjson(numbered(2)))
    browser.wait_for("document.querySelector('#names tbody .number')?.innerText === '2'")
    browser.run("document.querySelector('#latest tr:nth-child(1) summary').click()")
    browser.run("document.querySelector('#latest tr:nth-child(1) summary').focus()")
    post(sandbox, ndjson(numbered(3)))
    browser.wait_for("document.querySelector('#names tbody .number')?.innerText === '3'")

    # What was opened stays open, and keeps the focus, though it is in another row now.
    assert browser.run("[...document.querySelectorAll('#latest details')].map(one => one.open)") == [False, True, False]
    assert browser.run("document.activeElement === document.querySelector('#latest tr:nth-child(2) summary')")

    browser.run("document.querySelector('#pause').click()")
    assert browser.run("document.querySelector('#state').innerText") == "Paused"
    post(sandbox, ndjson(numbered(4)))
    browser.run("new Promise(done => setTimeout(done, 1500))")
    assert browser.run("document.querySelector('#names tbody .number').innerText") == "3"
    browser.run("document.querySelector('#pause').click()")
    browser.wait_for("document.querySelector('#names tbody .number').innerText === '4'")
    assert browser.problems == []


@in_a_browser
def test_the_page_says_when_the_sandbox_is_gone(browser: Browser) -> None:
    with Sandbox(config()) as sandbox:
        browser.open(sandbox.url)
        browser.wait_for("document.querySelector('#state').innerText.startsWith('Live')")
    browser.wait_for("document.querySelector('#state.bad')?.innerText.includes('it was stopped')")
    assert not browser.run("document.querySelector('#state').innerText.startsWith('Live')")


CONTRAST = """
(() => {
  const light = (text) => text.match(/[\\d.]+/g).slice(0, 3).map((one) => one / 255)
    .map((one) => one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4)
    .reduce((sum, one, at) => sum + one * [0.2126, 0.7152, 0.0722][at], 0);
  const behind = (node) => {
    const colour = getComputedStyle(node).backgroundColor;
    return colour !== "rgba(0, 0, 0, 0)" ? colour : behind(node.parentElement);
  };
  return Math.min(...[...document.querySelectorAll("body *:not(script, noscript, noscript *, meter)")].map((node) => {
    const pair = [light(getComputedStyle(node).color), light(behind(node))].sort((a, b) => b - a);
    return (pair[0] + 0.05) / (pair[1] + 0.05);
  }));
})()
"""


@in_a_browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_is_readable(sandbox: Sandbox, browser: Browser, tmp_path: Path, scheme: str) -> None:
    long = "A name that goes on " * 12
    post(sandbox, ndjson([*numbered(3), event(long[:250], insert_id="x" * 36, distinct_id="y" * 200, note="z" * 250)]))
    post(sandbox, ndjson([event("w" * 200, time=5, note="z" * 250)]))
    engage(sandbox, [update("v" * 200, set={"note": "z" * 250})])
    browser.look(width=375, height=800, scheme=scheme)
    browser.open(sandbox.url)
    browser.wait_for("document.querySelector('#profiles tbody tr')")
    browser.run("document.querySelectorAll('details').forEach(one => one.open = true)")

    # On a phone nothing is cut off or has to be scrolled to the side; text has the contrast of WCAG 2.2 AA.
    assert browser.run("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert browser.run(CONTRAST) >= 4.5
    background = browser.run("getComputedStyle(document.body).backgroundColor")
    assert (background == "rgb(255, 255, 255)") == (scheme == "light")
    # A sandbox that ran for weeks: no counter sticks out of its card.
    browser.look(width=1024, height=800, scheme=scheme)
    browser.run("document.querySelectorAll('dd').forEach(one => one.textContent = '1,234,567,890,123')")
    assert browser.run("[...document.querySelectorAll('dd')].every(one => one.scrollWidth <= one.clientWidth)")
    browser.screenshot(tmp_path / "page.png")
    assert (tmp_path / "page.png").read_bytes()[:4] == b"\x89PNG"


@in_a_browser
def test_a_screen_reader_finds_its_way(sandbox: Sandbox, browser: Browser) -> None:
    post(sandbox, ndjson(numbered(1)))
    browser.look(width=375, height=800)
    browser.open(sandbox.url)
    browser.wait_for("document.querySelector('#latest tbody tr')")
    nodes = browser.call("Accessibility.getFullAXTree")["nodes"]
    found = [(one["role"]["value"], one.get("name", {}).get("value")) for one in nodes if not one.get("ignored")]

    assert ("heading", "mpimport-sandbox") in found
    assert ("button", "Pause") in found
    assert ("table", "Events by name") in found
    assert ("table", "The latest events") in found
    assert {"main", "status", "rowheader", "columnheader", "cell"} <= {role for role, _ in found}
    assert browser.run("document.documentElement.lang") == "en"
