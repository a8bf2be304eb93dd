"""The ledger's tables, and how those of earlier versions become them."""

from __future__ import annotations

VERSION = 2

SCHEMA = """
CREATE TABLE IF NOT EXISTS replies (
    key TEXT PRIMARY KEY, session TEXT, student TEXT, skill TEXT, case_name TEXT, arm TEXT, trial INTEGER,
    turn INTEGER, line TEXT
);
CREATE TABLE IF NOT EXISTS claims (
    key TEXT PRIMARY KEY, process TEXT, session TEXT, student TEXT, usd REAL, tokens INTEGER
);
CREATE TABLE IF NOT EXISTS failures (
    session TEXT, key TEXT, line TEXT, message TEXT, lasting INTEGER, PRIMARY KEY (session, key)
);
CREATE TABLE IF NOT EXISTS outages (
    session TEXT, student TEXT, consecutive INTEGER, latest REAL, message TEXT, PRIMARY KEY (session, student)
);
CREATE TABLE IF NOT EXISTS sessions (
    id TEXT PRIMARY KEY, started REAL, asked INTEGER DEFAULT 0, builds INTEGER DEFAULT 0, usd REAL DEFAULT 0,
    tokens INTEGER DEFAULT 0, unpriced INTEGER DEFAULT 0, stopped TEXT DEFAULT '', estimate TEXT DEFAULT ''
);
"""
MIGRATIONS = {
    1: """
    ALTER TABLE claims RENAME COLUMN asker TO process;
    ALTER TABLE setbacks RENAME TO failures;
    ALTER TABLE outages RENAME COLUMN in_a_row TO consecutive
    """
}
"""The lines of replies stay as they are: they carry a version of their own."""
