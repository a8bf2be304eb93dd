"""Is a case worth asking: the self-check, wrong results, mutants of the solution, suggestions."""
