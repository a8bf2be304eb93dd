"""Runs llama.cpp's own HTTP server, from the xllamacpp wheel, until SIGTERM. A script that imports nothing of ours.

Once it listens, it writes its URL to the file descriptor ``--ready`` and closes it.
"""

from __future__ import annotations

import argparse
import os
import signal
import threading

import xllamacpp  # type: ignore[import-untyped]


def main() -> None:
    options = _options()
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    server = xllamacpp.Server(_parameters(options))
    with os.fdopen(options.ready, "w") as ready:
        ready.write(server.listening_address)
    stop.wait()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True)
    parser.add_argument("--alias", required=True)
    parser.add_argument("--ready", type=int, required=True)
    parser.add_argument("--context", type=int, required=True)
    parser.add_argument("--slots", type=int, required=True)
    parser.add_argument("--api-key")
    return parser.parse_args()


def _parameters(options: argparse.Namespace) -> xllamacpp.CommonParams:
    parameters = xllamacpp.CommonParams()
    parameters.model.path = options.model
    parameters.model_alias = {options.alias}
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = 0
    parameters.n_ctx = options.context * options.slots
    parameters.n_parallel = options.slots
    parameters.cpuparams.n_threads = 1
    if options.api_key:
        parameters.api_keys = [options.api_key]
    return parameters


if __name__ == "__main__":
    main()
