"""Replies: the ledger of stored replies, the cassettes of recorded replies, the budget, and asking questions."""
