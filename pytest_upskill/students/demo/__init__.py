"""The built-in student ``demo``: a real llama.cpp server with a model that is made for the run and has fixed answers.

``scripts`` makes the answer to each prompt from the collected cases. ``model`` writes a GGUF file with hand-set weights
that gives these answers. ``student`` is the provider.

The student shows how the tool works, not what a model can do. Its outputs are marked accordingly.
"""

LABEL = "a scripted model: shows the machinery, not a model's ability"
