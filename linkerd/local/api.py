"""The administrator's few requests to a local cluster's own API, without a client library.

Used where the cluster itself is being made ready, and by tests that make and clear namespaces. The
services have `linkerd.kube`; this is synchronous, for one thread, and keeps one connection.
"""

import http.client
import json
import ssl
from typing import Any, Final

from linkerd.local.errors import LocalError
from linkerd.local.state import State

_SECONDS: Final = 30.0


class ApiRefusedError(LocalError):
    """The API answered with an error."""

    def __init__(self, method: str, path: str, status: int, body: bytes) -> None:
        try:
            said = json.loads(body).get("message", "")
        except (ValueError, AttributeError):
            said = body[:200].decode("utf-8", "replace")
        super().__init__(f"{method} {path}: {status}: {said}")
        self.status = status


class AdminApi:
    """`address`:`port` of the API server, with the administrator's certificate in `state`."""

    def __init__(self, state: State, address: str, port: int) -> None:
        context = ssl.create_default_context(cafile=state.pki / "ca.crt")
        context.load_cert_chain(state.pki / "client-admin.crt", state.pki / "client-admin.key")
        self._connection = http.client.HTTPSConnection(
            address, port, timeout=_SECONDS, context=context
        )

    def request(self, method: str, path: str, body: Any = None, *, kind: str = "json") -> Any:
        """Send `body` as JSON and return the decoded answer.

        `kind` is "json", or the kind of patch such as "apply-patch+yaml". Raises ApiRefusedError
        for an answer that is an error, LocalError when there is no answer.
        """
        content = None if body is None else json.dumps(body)
        headers = {"Content-Type": f"application/{kind}"}
        try:
            self._connection.request(method, path, content, headers)
            response = self._connection.getresponse()
            answer = response.read()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            raise LocalError(f"{method} {path}: the API server does not answer: {error}") from error
        if response.status >= http.HTTPStatus.BAD_REQUEST:
            raise ApiRefusedError(method, path, response.status, answer)
        return json.loads(answer)

    def apply(self, path: str, manifest: dict[str, Any]) -> None:
        """Make the object at `path` what `manifest` says, whether or not it is there."""
        self.request(
            "PATCH",
            f"{path}?fieldManager=linkerd-local&force=true",
            manifest,
            kind="apply-patch+yaml",
        )

    def close(self) -> None:
        """Let the connection go."""
        self._connection.close()
