"""The part of the Hub that a download of a kernel needs, for tests: one repository, from a folder."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@contextmanager
def serving(repository: str, folder: Path, revision: str = "v1") -> Iterator[tuple[str, list[str]]]:
    """Serves a folder as a kernel repository; yields the address, and the paths of all requests."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *ignored: object) -> None:
            """Prints nothing."""

        def do_GET(self) -> None:
            path = unquote(urlsplit(self.path).path).strip("/")
            asked.append(f"{self.command} {path}")
            head = f"api/kernels/{repository}"
            files = f"kernels/{repository}/resolve/{COMMIT}/"
            if path == f"{head}/revision/{revision}":
                self.answer({"_id": "1", "id": repository, "sha": COMMIT, "siblings": []})
            elif path.startswith((f"{head}/tree/{revision}", f"{head}/tree/{COMMIT}")):
                below = folder / path.partition("/tree/")[2].partition("/")[2]
                everything = "recursive=true" in self.path.lower()
                self.answer([entry(one) for one in sorted(below.rglob("*") if everything else below.glob("*"))])
            elif path.startswith(files) and (folder / path.removeprefix(files)).is_file():
                data = (folder / path.removeprefix(files)).read_bytes()
                self.send(200, data, ETag=f'"{hashlib.sha1(data).hexdigest()}"', X_Repo_Commit=COMMIT)
            else:
                code = "RevisionNotFound" if path.startswith(head) else "RepoNotFound"
                self.send(404, b"{}", X_Error_Code=code)

        do_HEAD = do_GET

        def answer(self, plain: object) -> None:
            self.send(200, json.dumps(plain).encode(), Content_Type="application/json")

        def send(self, status: int, body: bytes, **headers: str) -> None:
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

    def entry(path: Path) -> dict[str, object]:
        size = 0 if path.is_dir() else path.stat().st_size
        kind = "directory" if path.is_dir() else "file"
        return {"type": kind, "oid": "0" * 40, "size": size, "path": path.relative_to(folder).as_posix()}

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
