"""A back end whose protocol is its own: it speaks first, then answers a line with a line.

No proxy can tell such a protocol from its first bytes, because the client waits for the server.
That is what the Service's opaque-ports annotation is for.
"""

import socketserver
import threading
import zlib

from server import REPLICA, log, on_stop


def price(title: str) -> str:
    """The same for a title wherever it is asked."""
    return f"{5 + zlib.crc32(title.encode()) % 4000 / 100:.2f}"


class Prices(socketserver.StreamRequestHandler):
    """One caller."""

    timeout = 30

    def handle(self) -> None:
        try:
            self.wfile.write(f"prices {REPLICA}\n".encode())
            for line in self.rfile:
                self.wfile.write(f"{price(line.decode().strip())}\n".encode())
        except (ConnectionError, TimeoutError):
            pass  # a probe, or a caller that left
        except UnicodeDecodeError as error:
            log("caller refused", error=repr(error))


class Server(socketserver.ThreadingTCPServer):
    """Many callers, a thread each."""

    allow_reuse_address = True
    daemon_threads = True


def main() -> None:
    end = threading.Event()
    on_stop(end)
    with Server(("", 7000), Prices) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        log("serving", port=7000)
        end.wait()
        server.shutdown()


if __name__ == "__main__":
    main()
