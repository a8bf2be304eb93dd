"""The HTML report: one file without network access, whose script shows what a model wrote as text only."""
