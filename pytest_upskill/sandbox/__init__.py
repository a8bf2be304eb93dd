"""Confined processes: untrusted code is compiled and run in them, and nowhere else.

``confinement`` has the levels, ``process`` starts and ends processes, ``client`` calls kernels in a ``worker``, which
imports nothing of ours, and ``findings`` turns its reports and its end into findings.
"""
