"""Where replies come from: the ledger, cassettes, budget, scheduling. Knows no kernels and no verdicts."""
