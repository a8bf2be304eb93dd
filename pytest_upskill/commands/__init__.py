"""The command lines beside pytest: ``python -m pytest_upskill COMMAND``."""
