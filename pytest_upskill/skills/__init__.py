"""Reads and validates skills (``SKILL.md``), and decides what a student sees of them."""
