"""CUDA C++ executed on the host: headers in ``include/``, the runtime in ``src/``, the source rewrite and the flags."""
