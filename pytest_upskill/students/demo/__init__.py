"""The built-in student ``demo``: a real llama.cpp server with a model that is made for the run and has fixed answers.

    mistakes   a common mistake in a case's solution: the answer without the skill
    scripts    the answer to each prompt, from the collected cases
    model      a GGUF file with hand-set weights that gives these answers
    student    the provider

It shows the machinery, not a model's ability; its outputs are marked accordingly.
"""

LABEL = "a scripted model: shows the machinery, not a model's ability"
