"""The program of the process in which an untrusted reference runs.

It is started as ``python -I -S -B reference_worker.py CHANNEL PLAN``. CHANNEL is the number of an inherited stream
socket. PLAN is JSON with ``paths`` (entries of sys.path), ``package`` (our package's folder), ``memory`` (bytes beyond
what torch takes), ``address_space`` (bytes that the parent, which has torch loaded as well, has mapped), ``filter``
(of system calls) and ``filtered`` (whether the filter must be installed). The program imports nothing of torch or our
package until it has set sys.path. It imports everything before it drops its rights, and runs a case's code only after
that.
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

    # The limit is what is in use plus some more, because loading a torch for GPUs already takes many GiB.
    seccomp.limit(resource.RLIMIT_AS, (seccomp.address_space() or plan["address_space"]) + plan["memory"])
    seccomp.hide()
    if not seccomp.install(plan["filter"]) and plan["filtered"]:
        sys.exit("system calls could not be filtered (seccomp), although this system can")
    reference_serving.serve(int(sys.argv[1]))


def find_package(folder: str) -> None:
    """Import our package without putting its parent folder on sys.path.

    The parent folder may be a whole checkout, and this process may not read it.
    """
    file = f"{folder}/__init__.py"
    spec = importlib.util.spec_from_file_location("pytest_upskill", file, submodule_search_locations=[folder])
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["pytest_upskill"] = module
    spec.loader.exec_module(module)


if __name__ == "__main__":
    main()
