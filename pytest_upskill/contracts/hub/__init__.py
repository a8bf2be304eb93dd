"""The contract ``hub``: a published kernel offers the operator that a case names under ``hub``."""
