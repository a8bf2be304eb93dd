"""A real llama.cpp server for tests, and models made so small and so exact that a test knows what they will answer."""
