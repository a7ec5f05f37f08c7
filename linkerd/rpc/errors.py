"""Errors of serving gRPC."""

import grpc


class RpcError(Exception):
    """Ends a call with a status. `message` goes to the client: short, and naming the field."""

    def __init__(self, code: grpc.StatusCode, message: str) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return f"{self.code.name}: {self.message}"


class TableError(Exception):
    """A method table does not fit its descriptor."""
