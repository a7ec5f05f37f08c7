"""A back end that speaks HTTP: which books there are."""

from server import REPLICA, Handler, as_json, serve

TITLES = ["A Tour of Sidecars", "Certificates for Breakfast", "The Endpoint That Moved"]


class Books(Handler):
    """`/books` lists titles and says who answered."""

    def page(self, path: str) -> tuple[int, str, str]:
        if path != "/books":
            return 404, "text/plain", "there is only /books here\n"
        return as_json({"replica": REPLICA, "books": TITLES})


if __name__ == "__main__":
    serve(Books, 8080)
