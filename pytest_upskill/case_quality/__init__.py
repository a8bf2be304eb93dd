"""The quality of cases: self-check, wrong results, mutants of the solution, suggestions."""
