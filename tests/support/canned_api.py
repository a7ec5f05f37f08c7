"""An API server that has one answer to everything, or none."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

import yaml

_REASONS: Final = {
    401: "Unauthorized", 403: "Forbidden", 500: "InternalError",
}  # fmt: skip


def kubeconfig(file: Path, server: str) -> Path:
    """That of a cluster at `server`."""
    content = {
        "apiVersion": "v1", "kind": "Config", "current-context": "here",
        "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}],
        "clusters": [{"name": "here", "cluster": {"server": server}}],
        "users": [{"name": "me", "user": {"token": "secret"}}],
    }  # fmt: skip
    file.write_text(yaml.safe_dump(content))
    return file


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, answer: int | str) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.answer = answer
        self.stopped = threading.Event()


class _Answer(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        if self.server.answer == "hang":
            self.server.stopped.wait()
            return
        if self.server.answer == "close":
            self.close_connection = True
            return
        code = self.server.answer if isinstance(self.server.answer, int) else 200
        status = {"apiVersion": "v1", "kind": "Status", "status": "Failure", "code": code}
        message = status | {"reason": _REASONS.get(code, ""), "message": "not for you"}
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        text = self.server.answer if isinstance(self.server.answer, str) else json.dumps(message)
        self.wfile.write(text.encode())

    def log_message(self, *arguments: Any) -> None:
        del arguments


@contextmanager
def answering(answer: int | str) -> Iterator[str]:
    """The URL of a server that has one answer to everything: a status (an error's object is below
    it), a body of its own, "close" or "hang"."""
    server = _Server(answer)
    thread = threading.Thread(target=server.serve_forever, name="api", daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.stopped.set()
    server.shutdown()
    server.server_close()
    thread.join()
