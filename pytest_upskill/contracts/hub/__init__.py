"""The contract ``hub``: a published kernel must offer the operator that a case names under ``hub``."""
