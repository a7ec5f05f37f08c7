"""What the demo's programs share: a line of log per event, a health page, and a calm end.

A pod that is told to end answers its readiness probe with 503 for a moment and goes on serving, so
that callers learn of it before connections are refused.
"""

import json
import os
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

REPLICA = os.environ.get("HOSTNAME", "local")
DRAIN_SECONDS = 2.0

_draining = threading.Event()


def log(event: str, **fields: object) -> None:
    """One line to the container's log."""
    words = " ".join(f"{key}={value}" for key, value in fields.items())
    print(f"{time.strftime('%H:%M:%S')} {event} {words}".rstrip(), file=sys.stderr, flush=True)


class Handler(BaseHTTPRequestHandler):
    """Answers `/healthz`; a program adds its own pages in `page`."""

    protocol_version = "HTTP/1.1"

    def page(self, path: str) -> tuple[int, str, str]:
        """Status, content type and body of one path."""
        raise NotImplementedError

    def do_GET(self) -> None:
        if self.path == "/healthz":
            draining = _draining.is_set()
            self._send(503 if draining else 200, "text/plain", "draining\n" if draining else "ok\n")
        else:
            self._send(*self.page(self.path))

    def _send(self, status: int, content_type: str, body: str) -> None:
        data = body.encode()
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        """Probes and pages are not logged: the load generator says what matters."""


def as_json(value: object) -> tuple[int, str, str]:
    """A page with `value`."""
    return 200, "application/json", json.dumps(value) + "\n"


def on_stop(end: threading.Event) -> None:
    """Set `end` when the pod is told to stop, after the drain."""

    def stop(number: int, _: object) -> None:
        log("stopping", signal=signal.Signals(number).name)
        _draining.set()
        threading.Timer(DRAIN_SECONDS, end.set).start()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)


def serve(handler: type[Handler], port: int) -> None:
    """Serve HTTP until the pod is told to stop."""
    end = threading.Event()
    on_stop(end)
    server = ThreadingHTTPServer(("", port), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    log("serving", port=port)
    end.wait()
    server.shutdown()
