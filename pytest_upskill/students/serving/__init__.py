"""Servers that are started for students: one per student for a whole run, ended with it.

``supervisor`` and ``embedded`` are scripts that run in processes of their own.
"""
