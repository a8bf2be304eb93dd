"""Confined processes: untrusted code is compiled and run in them, and nowhere else.

``confine`` says how a process is fenced in, ``process`` starts one and ends it for certain, ``client`` feeds kernels to
``worker``, which stands alone, and ``findings`` turns what comes back into words. Knows no oracle and no pytest.
"""
