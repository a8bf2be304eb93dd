"""Imports what is slow to load, or cannot be loaded twice, before any test runs pytest in its own process.

``pytester`` unloads all modules that a test imported. NumPy, SciPy and tree-sitter fail when they are loaded again,
PyTorch takes seconds, and exceptions of a second copy of a module are not caught as those of the first one.
"""

import contextlib
import importlib

import openai

MODULES = (
    "filelock",
    "hypothesis",
    "pydantic",
    "ruamel.yaml",
    "scipy.stats",
    "sqlite3",
    "statistics",
    "tenacity",
    "torch",
    "torchgen.model",
    "tree_sitter",
    "tree_sitter_cuda",
    "yaml",
    "pytest_upskill.case_quality.self_check",
    "pytest_upskill.languages.cuda.language",
    "pytest_upskill.languages.python.language",
    "pytest_upskill.session.controller",
    "pytest_upskill.session.start",
    "pytest_upskill.students.registry",
)

for module in MODULES:
    importlib.import_module(module)

with contextlib.suppress(openai.APIConnectionError):  # loads what a request needs; nothing listens at port 9
    client = openai.OpenAI(base_url="http://127.0.0.1:9/v1", api_key="none", max_retries=0)
    client.chat.completions.create(model="none", messages=[{"role": "user", "content": ""}])
