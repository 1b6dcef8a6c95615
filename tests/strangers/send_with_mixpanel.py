"""Send events or profile updates with PyPI's `mixpanel`, as a program would; only the addresses are replaced.

Usage: `send_with_mixpanel.py import|track|engage FILE URL`. Prints how many requests failed, and the first words.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import mixpanel


def send(client: mixpanel.Mixpanel, how: str, record: dict[str, Any]) -> None:
    """Hand one record to the client."""
    if how == "engage":
        getattr(client, record["call"])(*record["arguments"])
        return
    properties = record["properties"]
    if how == "track":
        client.track(properties.get("distinct_id"), record["event"], properties)
    else:
        client.import_data(None, properties.get("distinct_id"), record["event"], properties["time"], properties)


def main() -> None:
    """Send every line of the file."""
    how, path, url = sys.argv[1:]
    consumer = mixpanel.BufferedConsumer(
        events_url=f"{url}/track",
        people_url=f"{url}/engage",
        import_url=f"{url}/import",
        credentials=mixpanel.ServiceAccountCredentials("account", "secret", "1"),
    )
    client = mixpanel.Mixpanel("0123456789abcdef0123456789abcdef", consumer=consumer)
    errors = []
    with Path(path).open(encoding="utf-8") as lines:
        for line in [*lines, None]:
            try:
                if line is None:
                    consumer.flush()
                else:
                    send(client, how, json.loads(line))
            except mixpanel.MixpanelException as error:
                errors.append(str(error))
                for waiting in consumer._buffers.values():  # it would send the same batch for ever
                    waiting.clear()
    print(json.dumps({"failed_requests": len(errors), "first": errors[0] if errors else None}))


if __name__ == "__main__":
    main()
