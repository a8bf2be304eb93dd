"""Replies: stored ones (the ledger), recorded ones (cassettes), budget and scheduling."""
