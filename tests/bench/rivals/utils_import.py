"""PyPI's mixpanel-utils, 20 threads. It has no gzip and takes 2000 events a request; only the host is replaced.

usage: PYTHON utils_import.py FILE URL
"""

import importlib
import sys

file, url = sys.argv[1:]
utils = importlib.import_module("mixpanel_utils").MixpanelUtils(
    "secret", token="0" * 32, service_account_username="bench", project_id=1, pool_size=20, strict_import=True
)
utils.import_api = url
utils.import_events(file, 0)
