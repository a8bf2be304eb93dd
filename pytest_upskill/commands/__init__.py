"""The console script ``pytest-upskill``; one module for each command. The only package that knows click."""
