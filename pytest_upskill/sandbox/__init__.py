"""Runs untrusted code in confined processes. Untrusted code is compiled and run only there."""
