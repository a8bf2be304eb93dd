"""Confined processes: untrusted code is compiled and run in them, and nowhere else.

``confinement`` holds the levels, ``process`` starts one and ends it for certain, ``client`` feeds kernels to
``worker``, which stands alone, and ``findings`` turns what comes back into words. Knows no oracle and no pytest.
"""
