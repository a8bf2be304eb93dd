"""pytest-upskill: agent skills as test suites, judged by the kernels that students write with them."""

__version__ = "0.1.0"
