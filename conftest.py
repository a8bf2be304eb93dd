"""Our own tests: ``pytester`` runs pytest inside a test. The plugin itself is loaded by its entry point."""

pytest_plugins = ["pytester"]
