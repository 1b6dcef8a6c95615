"""What must be the same for a run to go on with an import: no setting that changes what is sent is forgotten."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest

from mpimport.auth import project_secret, project_token, service_account, token_in_events
from mpimport.checkpoint import State
from mpimport.same import account_of, destination_of, find_changes, lasting
from mpimport.settings import BatchSettings, MapSettings, ReadSettings, RunSettings, SendSettings, Settings

OTHER: dict[str, Any] = {
    "fields": {"time": "at"},
    "insert_id_from": ("a",),
    "rename": (("a", "b"),),
    "drop": ("a",),
    "keep": (),
    "set": (("a", 1),),
    "types": (("a", "string"),),
    "drop_long": frozenset({"a"}),
    "split_urls": True,
    "parse_json": True,
}
"""Another value than the usual one, where that is no text."""


GROUPS = {"read": ReadSettings, "map": MapSettings}


@pytest.mark.parametrize(("group", "name"), [(group, one.name) for group in GROUPS for one in fields(GROUPS[group])])
def test_every_setting_of_reading_and_mapping_counts(group: str, name: str) -> None:
    usual = getattr(Settings(), group)
    changed = replace(Settings(), **{group: replace(usual, **{name: OTHER.get(name, "other")})})

    assert lasting(Settings()) == {}
    assert len(lasting(changed)) == 1


def test_what_only_says_how_it_is_sent_does_not_count() -> None:
    changed = Settings(
        batch=BatchSettings(max_events=7, max_bytes=9, gzip=False),
        send=SendSettings(workers=3, timeout_s=1, strict=False, max_events_per_s=1),
        run=RunSettings(rejected="r", restart=True),
    )

    assert lasting(changed) == {}
    assert list(lasting(replace(changed, batch=BatchSettings(geolocate=True)))) == ["--geolocate"]


def test_changes_are_named_by_their_option_with_both_values() -> None:
    old = State("project 1 at u", "", {"--format": '"csv"', "--drop": '["a"]'}, ())
    new = State("project 1 at u", "", {"--format": '"tsv"', "--geolocate": "true"}, ())

    assert list(find_changes(old, old)) == []
    assert list(find_changes(old, new)) == [
        '--drop is not given, and was ["a"]',
        '--format is "tsv", and was "csv"',
        "--geolocate is true, and was not given",
    ]


def test_projects_are_told_apart_by_their_number_or_by_a_digest_of_what_names_them() -> None:
    ways = [
        service_account("me", "s", "1"),
        service_account("me", "s", "2"),
        project_secret("one"),
        project_secret("two"),
        project_token("one"),
        token_in_events("one"),
        token_in_events("two"),
    ]
    places = [(destination_of(auth, "u", sandbox=False), account_of(auth)) for auth in ways]

    assert len(set(places)) == len(ways)
    assert places[0] == ("project 1 at u", "")
    assert account_of(service_account("her", "t", "1")) == ""
    assert not any("one" in account or "two" in account for _, account in places)
    assert destination_of(ways[0], "u", sandbox=True) == "the sandbox"
