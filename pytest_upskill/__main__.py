"""``python -m pytest_upskill`` is the console script ``pytest-upskill``."""

from __future__ import annotations

from pytest_upskill.commands.main import main

if __name__ == "__main__":
    main(prog_name="pytest-upskill")
