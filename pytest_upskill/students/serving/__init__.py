"""Servers that are started for students: one per student, which is ended with the run.

``supervisor`` and ``embedded`` are scripts that run in separate processes.
"""
