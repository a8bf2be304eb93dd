"""Reads what exists already into skills and cases: transcripts, documents, functions, and the tasks of other tools."""
