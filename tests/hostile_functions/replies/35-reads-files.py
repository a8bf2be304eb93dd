# case: twice
# passes
# needs: bubblewrap
import glob
import os

found = [
    path
    for path in ("/etc/passwd", "/root", "/home", "/work")
    if os.path.exists(path) and (os.path.isfile(path) or os.listdir(path))
]
found = [path for path in found if path != "/root" or set(os.listdir(path)) - {".pyenv"}]
found += [path for name in ("twice.md", "*.jsonl") for path in glob.glob(f"/tmp/**/{name}", recursive=True)]
if any(path in ("/etc/passwd", "/home") or path.endswith(("twice.md", "jsonl")) for path in found):
    raise RuntimeError(f"harm: {found}")


def twice(x):
    return 2 * x
