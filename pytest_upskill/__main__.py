"""``python -m pytest_upskill COMMAND``."""

from __future__ import annotations

from pytest_upskill.commands.main import main

if __name__ == "__main__":
    raise SystemExit(main())
