"""The front: a page of books with prices, asked from the two back ends for each visit."""

import html
import json
import os
import socket
import urllib.request
from typing import Any

from server import REPLICA, Handler, as_json, log, serve

BOOKS = os.environ.get("BOOKS", "http://books:8080")
PRICES = os.environ.get("PRICES", "prices:7000")
TIMEOUT_SECONDS = 2.0


def fetch_books() -> tuple[str, list[str]]:
    """Which replica answered, and the titles."""
    with urllib.request.urlopen(f"{BOOKS}/books", timeout=TIMEOUT_SECONDS) as answer:
        body = json.load(answer)
    return body["replica"], body["books"]


def fetch_prices(titles: list[str]) -> tuple[str, list[str]]:
    """Which replica answered, and a price for each title; a line each way over plain TCP."""
    host, _, port = PRICES.rpartition(":")
    with (
        socket.create_connection((host, int(port)), timeout=TIMEOUT_SECONDS) as connection,
        connection.makefile("rw", encoding="utf-8", newline="\n") as lines,
    ):
        replica = lines.readline().removeprefix("prices ").strip()
        lines.write("".join(f"{title}\n" for title in titles))
        lines.flush()
        return replica, [lines.readline().strip() for _ in titles]


def visit() -> dict[str, Any]:
    """Everything on the page: who served it, and the shelf."""
    books_replica, titles = fetch_books()
    prices_replica, prices = fetch_prices(titles)
    return {
        "web": REPLICA,
        "books": books_replica,
        "prices": prices_replica,
        "shelf": dict(zip(titles, prices, strict=True)),
    }


def as_html(seen: dict[str, Any]) -> str:
    """The page for people."""
    shelf = [(html.escape(title), html.escape(price)) for title, price in seen["shelf"].items()]
    rows = "".join(f"<tr><td>{title}<td>{price}" for title, price in shelf)
    served = ", ".join(f"{name} <b>{seen[name]}</b>" for name in ("web", "books", "prices"))
    return (
        "<!doctype html><title>Bookshelf</title>"
        "<style>body{font:16px sans-serif;margin:3em}td{padding:.2em 1em}</style>"
        f"<h1>Bookshelf</h1><table>{rows}</table><p>Served by {served}\n"
    )


class Web(Handler):
    """`/` for people, `/shelf` for programs."""

    def page(self, path: str) -> tuple[int, str, str]:
        try:
            seen = visit()
        except (OSError, ValueError) as error:
            log("back end failed", error=repr(error))
            return 502, "text/plain", f"a back end failed: {error}\n"
        return as_json(seen) if path == "/shelf" else (200, "text/html", as_html(seen))


if __name__ == "__main__":
    serve(Web, 8080)
