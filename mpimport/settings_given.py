"""What was given to the settings of a run.

Must not know click, or from where a value came.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mpimport.credentials import gather
from mpimport.mapping_file import map_settings
from mpimport.settings import BatchSettings, ReadSettings, RunSettings, SendSettings, Settings, parse_max_rejected

if TYPE_CHECKING:
    from mpimport.given import Given  # only told


def settings_of(found: Given, problems: list[str]) -> Settings:
    """Build the settings, adding to `problems` what cannot be one."""
    given, settings = found.values, plain_settings(found.values, found.mapping, problems)
    return replace(
        settings,
        send=replace(settings.send, region_given="region" in found.origins),
        run=replace(settings.run, options=found.as_text() if given["report"] else {}),
        credentials=replace(gather(given, problems, ignored=found.ignored, doubted=found.doubted), unread=found.unread),
    )


def plain_settings(given: Mapping[str, Any], mapping: Mapping[str, Any], problems: list[str]) -> Settings:
    """Build what values by parameter and a mapping are enough for: neither credentials, nor what a report tells."""
    max_rejected = None
    if given["max_rejected"] is not None:
        try:
            max_rejected = parse_max_rejected(given["max_rejected"])
        except ValueError as error:
            problems.append(f"--max-rejected: {error}")
    return Settings(
        read=ReadSettings(
            format=given["format_name"],
            json_path=given["json_path"],
            delimiter=given["delimiter"],
            encoding=given["encoding"],
            misfit=given["misfit"],
        ),
        map=map_settings(mapping),
        batch=BatchSettings(
            max_events=given["batch_size"],
            max_bytes=given["batch_bytes"],
            content_type=given["content_type"],
            gzip_level=given["gzip_level"],
            gzip=not given["no_gzip"],
            geolocate=given["geolocate"],
        ),
        send=_send_settings(given),
        run=RunSettings(
            rejected=given["rejected"],
            max_rejected=max_rejected,
            dry_run=given["dry_run"],
            sandbox=given["sandbox"],
            audit=given["audit"],
            checkpoint=given["checkpoint"],
            restart=given["restart"],
            keeps_checkpoint=not given["no_checkpoint"],
            reports=given["report"],
            metrics=given["metrics"],
        ),
    )


def _send_settings(given: Mapping[str, Any]) -> SendSettings:
    return SendSettings(
        endpoint=given["endpoint"],
        region=given["region"],
        url=given["url"],
        proxy=given["proxy"],
        ca_bundle=given["ca_bundle"],
        workers=given["workers"],
        timeout_s=given["timeout"],
        connect_timeout_s=given["connect_timeout"],
        give_up_after_s=given["give_up_after"],
        backoff_base_s=given["backoff_base"],
        backoff_max_s=given["backoff_max"],
        backoff_jitter_s=given["backoff_jitter"],
        strict=not given["no_strict"],
        max_events_per_s=given["max_events_per_second"],
        max_bytes_per_minute=given["max_bytes_per_minute"],
        rate_window_s=given["rate_window"],
    )
