"""The oracle: what a kernel must return, how far it may be off, and on which inputs it is judged.

No kernel runs in the oracle's process: calls and answers are bytes. Two words of these modules: *gold* is the result
of a case's reference in float64, *eager* the one in the dtype under test.
"""
