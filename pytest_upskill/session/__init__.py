"""The pytest side: options, collection, hooks, live progress, exit status.

Apart from ``plugin`` and ``hookspecs``, only this package imports pytest.
"""
