"""The languages in which kernels are written, one package per language. ``base`` has the protocols that a language
implements.
"""
