"""Makes skills and cases from what exists already: transcripts, documents, functions, and the tasks of other tools."""
