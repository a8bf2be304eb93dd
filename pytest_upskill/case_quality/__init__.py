"""Checks the quality of cases by self-checks, wrong results and mutants of the solution, and suggests changes."""
