"""The settings of a run: parsing of options, ini values and pyproject.toml, without pytest."""
