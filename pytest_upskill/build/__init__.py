"""From a kernel's source to a library: compilers, called in cells, and a cache of what they made.

``host`` builds for the cpu device, ``nvcc`` checks that a kernel compiles for a GPU as well. Knows sources and
messages, no oracle and no pytest.
"""
