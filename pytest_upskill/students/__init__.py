"""Whom a run asks: models behind a server, folders of replies, a case's own solution.

Knows words and texts (layers 0 and 1). Never compiles, runs or judges; what a student answers is only ever text.
"""
