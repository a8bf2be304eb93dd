"""The built-in student ``demo``: a real llama.cpp server with a model that is made on the spot, and knows its lines.

    mistakes   a plausible slip in a case's own solution: what it answers without the skill
    scripts    which answer belongs to which prompt, from the cases that are collected
    model      a GGUF file whose weights, set by hand, say just that
    student    the provider

It shows the machinery, and no model's ability: everything that it touches says so.
"""

LABEL = "a scripted model: shows the machinery, not a model's ability"
