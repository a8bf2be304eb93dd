"""Our own tests: ``pytester`` runs pytest inside a test. The plugin itself is loaded by its entry point."""

import os

from pytest_upskill.paths import cache_folder

pytest_plugins = ["pytester"]

# pytester gives each test a home of its own: without this, each would build the device's runtime again.
os.environ["UPSKILL_CACHE_DIR"] = str(cache_folder())
