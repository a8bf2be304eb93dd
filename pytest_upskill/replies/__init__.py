"""Replies: the ledger, cassettes, budget and scheduling."""
