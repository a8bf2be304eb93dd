"""The judge: what a kernel must return, how far it may be off, and on which inputs it is asked.

Lives in the pytest process and never meets a kernel: calls go out as bytes and come back as bytes. Knows cases,
signatures and PyTorch; knows nothing of how a call is executed, of students, or of reports.
"""
