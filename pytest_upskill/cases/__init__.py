"""Cases: what ``evals/<case>.md`` holds, read and validated. Knows text, never torch."""
