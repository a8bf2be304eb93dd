"""The console script ``pytest-upskill``, with one module for each command. Only this package uses click."""
