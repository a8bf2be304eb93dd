"""Reports: one model of a finished run (``view``), and the forms it is shown in. Knows records, never pytest."""
