"""``python -m pytest_upskill.native``: runs a CUDA program on the host. Knows nothing but ``program``."""

from __future__ import annotations

import sys

from pytest_upskill.languages.cuda.program import main

if __name__ == "__main__":
    sys.exit(main())
