"""Cases: the content of ``evals/<case>.md``, read and validated."""
