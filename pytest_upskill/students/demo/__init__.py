"""The built-in student ``demo``: a real llama.cpp server with a model that is made for the run and has fixed answers.

``scripts`` makes the answer to each prompt from the collected cases, ``model`` a GGUF file with hand-set weights that
gives these answers, and ``student`` is the provider.

It shows the machinery, not a model's ability; its outputs are marked accordingly.
"""

LABEL = "a scripted model: shows the machinery, not a model's ability"
