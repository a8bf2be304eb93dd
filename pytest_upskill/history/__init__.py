"""The history: a database of finished runs, comparing two of them, and reading reports and side files into it."""
