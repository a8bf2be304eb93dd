"""A virtual environment with other plugins of pytest, for the tests that run ours beside them.

It is a folder of the one that runs the tests, whose packages it sees, and has only the group ``plugins`` of
pyproject.toml besides: there, no other test loads them. ``python -m tests.plugin_environment`` makes it.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

from filelock import FileLock

ROOT = Path(__file__).resolve().parent.parent
FOLDER = Path(sys.prefix) / "plugins"


def python() -> Path:
    """The environment's interpreter; the environment is made unless it is there. Raises OSError if pip fails."""
    project, constraints = ROOT / "pyproject.toml", ROOT / "constraints.txt"
    wanted = hashlib.sha256(project.read_bytes() + constraints.read_bytes() + sys.version.encode()).hexdigest()
    stamp, interpreter = FOLDER / "made-from", FOLDER / "bin" / "python"
    with FileLock(FOLDER.with_suffix(".lock")):
        if stamp.is_file() and stamp.read_text(encoding="ascii") == wanted:
            return interpreter
        venv.create(FOLDER, clear=True)
        own = Path(sysconfig.get_path("purelib", vars={"base": str(FOLDER), "platbase": str(FOLDER)}))
        parent = sysconfig.get_path("purelib")
        (own / "parent.pth").write_text(f"import site; site.addsitedir({parent!r})\n", encoding="utf-8")
        pip = [sys.executable, "-m", "pip", "--python", str(interpreter), "install", "--quiet", "-c", str(constraints)]
        made = subprocess.run([*pip, "--group", f"{project}:plugins"], capture_output=True, text=True, check=False)
        if made.returncode != 0:
            raise OSError(f"the plugins of the group 'plugins' cannot be installed: {made.stderr.strip()}")
        stamp.write_text(wanted, encoding="ascii")
    return interpreter


if __name__ == "__main__":
    print(python())
