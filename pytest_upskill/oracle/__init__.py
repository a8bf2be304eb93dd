"""The oracle: what a kernel must return, how far it may be off, and on which inputs it is judged.

No kernel runs in the oracle's process, because calls and answers are exchanged as bytes. These modules use two words:
*gold* is the result of a case's reference in float64, *eager* is its result in the dtype under test.
"""
