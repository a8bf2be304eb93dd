"""Projects of PyTorch extensions in the layout of Hugging Face's kernel-builder: reading, building, calling them."""

SOURCE_NAME = "project.md"
"""The name of the text that holds all files of a project, each in a fenced block whose info string ends in its path."""
