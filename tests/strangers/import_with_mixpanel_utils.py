"""Import a file with PyPI's `mixpanel-utils`; only the address is replaced.

Usage: `import_with_mixpanel_utils.py events|people FILE URL`.
"""

from __future__ import annotations

import sys

from mixpanel_utils import MixpanelUtils


def main() -> None:
    """Import the file."""
    what, path, url = sys.argv[1:]
    client = MixpanelUtils(
        "secret",
        token="0123456789abcdef0123456789abcdef",
        service_account_username="account",
        project_id=1,
        pool_size=4,
    )
    client.import_api = url
    if what == "events":
        client.import_events(path, 0)
    else:
        client.import_people(path)


if __name__ == "__main__":
    main()
