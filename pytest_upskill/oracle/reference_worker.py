"""The start of the process in which an untrusted reference runs. Stands alone until it has found torch and our package.

Started as ``python -I -S -B reference_worker.py CHANNEL PLAN``: an inherited stream socket, and JSON with ``paths``
(entries of sys.path), ``package`` (our package's folder), ``memory`` (bytes beyond what torch takes), ``address_space``
(bytes that the parent, which has torch loaded as well, has mapped), ``filter`` (of system calls) and ``filtered``
(whether it must be installed). Everything is imported before the process drops its rights, and a case's code comes
after that.
"""

import importlib.util
import json
import resource
import sys


def main() -> None:
    """Serve requests until the parent closes the stream."""
    plan = json.loads(sys.argv[2])
    sys.path[:0] = plan["paths"]
    find_package(plan["package"])
    import torch  # noqa: F401 - seconds of work, which must not count against a request

    from pytest_upskill.oracle import reference_serving
    from pytest_upskill.sandbox import seccomp

    # The address space is limited to what is in use, and more: a torch for GPUs alone takes many GiB.
    seccomp.limit(resource.RLIMIT_AS, (seccomp.address_space() or plan["address_space"]) + plan["memory"])
    seccomp.hide()
    if not seccomp.install(plan["filter"]) and plan["filtered"]:
        sys.exit("system calls could not be filtered (seccomp), although this system can")
    reference_serving.serve(int(sys.argv[1]))


def find_package(folder: str) -> None:
    """Import our package without its parent folder, which may be a whole checkout and is not readable."""
    file = f"{folder}/__init__.py"
    spec = importlib.util.spec_from_file_location("pytest_upskill", file, submodule_search_locations=[folder])
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["pytest_upskill"] = module
    spec.loader.exec_module(module)


if __name__ == "__main__":
    main()
