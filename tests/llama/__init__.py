"""A real llama.cpp server for tests, with tiny models whose answers are known."""
