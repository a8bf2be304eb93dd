"""What a run was asked for, from options, ini values and pyproject.toml. Knows no pytest."""
