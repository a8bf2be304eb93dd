"""The oracle: what a kernel must return, how far it may be off, and on which inputs it is judged.

Runs in the pytest process, where no kernel runs: calls and answers are bytes.
"""
