"""Servers that are started for students: one of each for a whole run, whoever asks, and none left behind.

Knows configurations of students; never asks a question. ``supervisor`` and ``embedded`` are scripts that run on their
own.
"""
