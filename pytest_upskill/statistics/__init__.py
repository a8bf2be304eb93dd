"""Rates, intervals, tests, gates and flags: functions of numbers, explained in docs/statistics.md."""
