"""llama.cpp's HTTP server, from the package xllamacpp. It runs in a separate process until SIGTERM.

    python -m pytest_upskill.students.serving.embedded (--model FILE | --hub OWNER/NAME:TAG) --alias NAME --port N ...

A model on the Hugging Face Hub is named as in llama.cpp: ``OWNER/NAME:TAG``; the tag is a quantisation such as
``Q4_K_M``. The model is downloaded first, unless it is in the Hub's cache, and progress is printed. Only gated models
need a token: HF_TOKEN, or that of ``hf auth login``.
"""

import argparse
import os
import re
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

DEFAULT_TAGS = ("Q4_K_M", "Q4_0")
"""The tags to try, in order, for a name without a tag, as in llama.cpp. If none exists, the repository's first model is
used.
"""
_PART = re.compile(r"-(\d{5})-of-(\d{5})\.gguf$", re.IGNORECASE)
_NO_MODEL = re.compile(r"(^|[/._-])(mmproj|imatrix)", re.IGNORECASE)


class HubError(Exception):
    """A model is not available. The message names the model, the reason and the next step."""


def main(arguments: Sequence[str]) -> int:
    """Serve until SIGTERM. Return 1 if the model is not available, else 0."""
    options = _options(arguments)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    try:
        model = Path(options.model) if options.model else fetch(options.hub)
    except HubError as error:
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


def choose(name: str, files: Sequence[str]) -> list[str]:
    """Return those of a repository's files that belong to the model ``name``: one, or all parts in order. Raises
    HubError.
    """
    models = sorted(file for file in files if file.lower().endswith(".gguf") and not _NO_MODEL.search(file))
    repository, _, tag = name.partition(":")
    if not models:
        raise HubError(f"{repository} holds no GGUF file; name a repository that does, as owner/name:TAG")
    for wanted in [tag] if tag else DEFAULT_TAGS:
        pattern = rf"(^|[/._-]){re.escape(wanted)}([/._-]|$)"
        if found := [file for file in models if re.search(pattern, file, re.IGNORECASE)]:
            return _with_parts(found[0], models)
    if tag:
        raise HubError(f"{repository} has no file for '{tag}'; it has {', '.join(models[:20])}")
    return _with_parts(models[0], models)


def fetch(name: str) -> Path:
    """Download a model into the Hub's cache and return the path of its first file. Raises HubError."""
    repository = name.partition(":")[0]
    try:
        import huggingface_hub
        from huggingface_hub import errors
    except ImportError:
        raise HubError("fetching a model needs the Hub's client: pip install 'pytest-upskill[llama]'") from None
    try:
        files = choose(name, huggingface_hub.HfApi().list_repo_files(repository))
        print(f"fetching {', '.join(files)} of {repository}, unless they are in the cache", flush=True)
        fetched = [Path(huggingface_hub.hf_hub_download(repository, file)) for file in files]
        return fetched[0]
    except errors.GatedRepoError:
        advice = "do so on its page, and set HF_TOKEN to your own token"
        raise HubError(f"{repository} requires that you accept its terms: {advice}") from None
    except errors.RepositoryNotFoundError:
        raise HubError(f"{repository} is not on the Hub, or private: check the name, or set HF_TOKEN") from None
    except HubError:
        raise
    except Exception as error:  # may come from the client, its HTTP library, or the disk
        if (cached := _cached(name)) is not None:
            return cached
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        raise HubError(f"{repository} cannot be fetched ({reason}); check the network") from None


def _cached(name: str) -> Path | None:
    """Return the model's first file if the Hub's cache has all files of the model, else None. Needs no network."""
    import huggingface_hub

    repository = name.partition(":")[0]
    try:
        folder = Path(huggingface_hub.snapshot_download(repository, local_files_only=True))
        present = [path.relative_to(folder).as_posix() for path in folder.rglob("*.gguf") if path.exists()]
        return folder / choose(name, present)[0]
    except (OSError, ValueError, HubError):
        return None


def _with_parts(file: str, models: Sequence[str]) -> list[str]:
    if (part := _PART.search(file)) is None:
        return [file]
    stem, count = file[: part.start()], int(part[2])
    parts = [other for other in models if other.startswith(stem) and _PART.search(other[len(stem) :])]
    if len(parts) != count:
        raise HubError(f"{file} is one of {count} parts, of which {len(parts)} are there; choose another model")
    return parts


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
