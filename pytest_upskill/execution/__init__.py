"""The pipeline of an item (prompt, reply, judgement, outcome), with several turns, and with work on later items."""
