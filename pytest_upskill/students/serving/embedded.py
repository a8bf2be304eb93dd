"""llama.cpp's HTTP server, from the package xllamacpp, in a process of its own, until SIGTERM.

    python -m pytest_upskill.students.serving.embedded (--model FILE | --hub OWNER/NAME:TAG) --alias NAME --port N ...

A model on the Hub is downloaded first, unless it is in the Hub's cache; progress is printed. Only gated models need a
token: HF_TOKEN, or that of ``hf auth login``.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pytest_upskill.students.serving import hub


def main(arguments: Sequence[str]) -> int:
    """Serve until SIGTERM. Returns 1 if the model is not available."""
    options = _options(arguments)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    try:
        model = Path(options.model) if options.model else hub.fetch(options.hub)
    except hub.HubError as error:
        print(error, flush=True)
        return 1
    import xllamacpp  # type: ignore[import-untyped]

    server = xllamacpp.Server(_parameters(xllamacpp, options, model))
    print(f"serving {options.alias} at {server.listening_address}", flush=True)
    stop.wait()
    return 0


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--model")
    source.add_argument("--hub")
    parser.add_argument("--alias", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--context", type=int, required=True, help="tokens, divided among the slots")
    parser.add_argument("--slots", type=int, required=True)
    return parser.parse_args(arguments)


def _parameters(xllamacpp: Any, options: argparse.Namespace, model: Path) -> Any:
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(model)
    parameters.model_alias = {options.alias}
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = options.port
    parameters.n_ctx = options.context
    parameters.n_parallel = options.slots
    parameters.cpuparams.n_threads = max(1, (os.cpu_count() or 2) // 2)
    return parameters


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
