"""Where the API server is and how to prove who we are.

`kubernetes_asyncio` reads kubeconfigs, service account tokens and the outcome of exec, OIDC and GCP
plugins into its `Configuration`; nothing else of it is used, and it is imported on first use
because that takes half a second. Loading again is how everything rotates: token files, client
certificates, exec tokens, the CA.
"""

import asyncio
import copy
import hashlib
import os
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import structlog
from yaml import YAMLError
from yarl import URL

from linkerd.kube.access import is_header_value
from linkerd.kube.errors import ConfigError
from linkerd.kube.inline import parse_inline_kubeconfig
from linkerd.kube.reasons import config_reason, os_reason
from linkerd.runtime.clock import Clock

if TYPE_CHECKING:
    from kubernetes_asyncio.client import Configuration

_log = structlog.stdlib.get_logger(__name__)

_BEARER: Final = "BearerToken"
_RELOAD_INTERVAL: Final = 5.0  # seconds between reloads, however many requests get a 401
_EXPIRY_MARGIN: Final = 10.0  # seconds before its end at which a token is no longer used
_PLUGIN_TIMEOUT: Final = 60.0  # seconds that an exec or OIDC plugin may take
# Malformed files make the loader fail in every way that untyped dictionaries can.
_LOADING_FAILURES: Final = (
    OSError,
    YAMLError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    AssertionError,
)


def find_kubeconfig(given: Path | None, environ: Mapping[str, str]) -> str | None:
    """The kubeconfig to use, or None for the pod's own service account: the given one, else
    $KUBECONFIG (which may name several), else ~/.kube/config if there is one.

    Raises ConfigError when a file that somebody named does not exist.
    """
    if given is not None:
        return _existing(str(given), "the given kubeconfig")
    if listed := environ.get("KUBECONFIG"):
        return _existing(listed, "$KUBECONFIG")
    home = Path(environ.get("HOME") or Path.home()) / ".kube" / "config"
    return str(home) if home.is_file() else None


def _existing(listed: str, origin: str) -> str:
    if not any(Path(path).expanduser().is_file() for path in listed.split(os.pathsep) if path):
        raise ConfigError(f"{origin} ({listed}) does not exist; name a kubeconfig that does")
    return listed


class Credentials:
    """The current configuration, and its renewal. Create with `load`."""

    def __init__(
        self,
        source: "str | Mapping[str, Any] | None",
        loaded: "_Loaded",
        clock: Clock,
        context: str | None = None,
    ) -> None:
        self._source = source
        self._context = context
        self._clock = clock
        self._lock = asyncio.Lock()
        self._reloaded = float("-inf")
        self.configuration, self._expires = loaded
        self.generation = 0

    @classmethod
    async def load(
        cls, kubeconfig: Path | None, clock: Clock, *, context: str | None = None
    ) -> "Credentials":
        """Reads the configuration that `find_kubeconfig` chooses, in the context named, else in
        its current one. Raises ConfigError."""
        source = find_kubeconfig(kubeconfig, os.environ)
        if source is None and context is not None:
            raise ConfigError(f"there is no context {context}, for there is no kubeconfig")
        return cls(source, await _read(source, context), clock, context)

    @classmethod
    async def of_text(cls, kubeconfig: bytes, clock: Clock) -> "Credentials":
        """Those of a kubeconfig out of a Secret. Raises ConfigError."""
        # In a thread, for YAML of some size takes long, and whoever links a cluster chooses it.
        source = await asyncio.to_thread(parse_inline_kubeconfig, kubeconfig)
        return cls(source, await _read(source), clock)

    async def authorization(self) -> str | None:
        """The Authorization header's value, renewed if it is known to have run out."""
        if self._expires is not None:
            left = self._expires - self._clock.now().timestamp()
            if left < _EXPIRY_MARGIN:
                await self.reload(self.generation)
        try:
            token = await self.configuration.get_api_key_with_prefix(_BEARER)
        except _LOADING_FAILURES as error:  # the pod's token file is being replaced
            why = config_reason(error)
            raise ConfigError(f"cannot read the service account's token: {why}") from error
        value = token.strip() if token else None
        if value is not None and not is_header_value(value):
            raise ConfigError("the token has characters that no header can have")
        return value

    async def reload(self, seen: int) -> bool:
        """Reads the configuration again unless somebody has since generation `seen`, or just now.
        True if what is there now is newer than `seen`. A failure is logged; the old ones stay."""
        async with self._lock:
            elapsed = self._clock.monotonic() - self._reloaded
            if self.generation == seen and elapsed >= _RELOAD_INTERVAL:
                await self._reload()
        return self.generation != seen

    async def _reload(self) -> None:
        self._reloaded = self._clock.monotonic()
        try:
            self.configuration, self._expires = await _read(self._source, self._context)
        except ConfigError as error:
            _log.warning("credentials could not be read again, the old ones stay", error=str(error))
        else:
            self.generation += 1

    def tls_context(self) -> ssl.SSLContext:
        """A context with the CA, client certificate and strictness that the configuration asks
        for. Raises ConfigError when its files do not do."""
        configuration = self.configuration
        try:
            context = ssl.create_default_context(cafile=configuration.ssl_ca_cert)
            if configuration.cert_file:
                context.load_cert_chain(configuration.cert_file, keyfile=configuration.key_file)
        except OSError as error:  # ssl.SSLError is one
            why = os_reason(error)
            raise ConfigError(f"the API server's CA or our certificate: {why}") from error
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # cluster CAs often lack its extensions
        if not configuration.verify_ssl:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context

    def fingerprint(self) -> bytes:
        """Changes when connections have to be made anew: address, proxy or TLS material changed."""
        configuration = self.configuration
        digest = hashlib.sha256()
        for text in (configuration.host, configuration.proxy, configuration.tls_server_name):
            digest.update(f"{text}\n".encode())
        for file in (configuration.ssl_ca_cert, configuration.cert_file, configuration.key_file):
            digest.update(Path(file).read_bytes() if file and Path(file).is_file() else b"-")
        return digest.digest()


class _Loaded(NamedTuple):
    configuration: "Configuration"
    expires: float | None  # Unix time at which its token ends, if that is known


async def _read(source: str | Mapping[str, Any] | None, context: str | None = None) -> _Loaded:
    from kubernetes_asyncio import config  # see the module's docstring
    from kubernetes_asyncio.client import Configuration

    configuration = Configuration()
    try:
        if source is None:
            config.load_incluster_config(  # type: ignore[no-untyped-call]  # not annotated
                client_configuration=configuration
            )
            return _Loaded(configuration, None)
        if not isinstance(source, str):
            await config.load_kube_config_from_dict(
                copy.deepcopy(source), client_configuration=configuration
            )
            _check_addresses(configuration)
            return _Loaded(configuration, None)
        async with asyncio.timeout(_PLUGIN_TIMEOUT):
            loader: Any = await config.load_kube_config(
                config_file=source,
                context=context,
                client_configuration=configuration,
                persist_config=False,
            )
        _check_addresses(configuration)
    except config.ConfigException as error:
        raise ConfigError(_explain(source, error)) from error
    except _LOADING_FAILURES as error:
        raise ConfigError(_explain(source, error)) from error
    expiry = getattr(loader, "exec_plugin_expiry", None)
    return _Loaded(configuration, expiry.timestamp() if expiry is not None else None)


def _check_addresses(configuration: "Configuration") -> None:
    """Raises ValueError for what no request can be sent to."""
    for what, address in (("server", configuration.host), ("proxy", configuration.proxy)):
        if address is not None and not _is_http(address):
            raise ValueError(f"the address of the {what}, {address!r}, is no https://HOST:PORT")


def _is_http(address: str) -> bool:
    try:
        url = URL(address)
    except ValueError:
        return False
    return url.scheme in {"http", "https"} and bool(url.host)


def _explain(source: str | Mapping[str, Any] | None, error: Exception) -> str:
    what = config_reason(error)
    if source is not None and not isinstance(source, str):  # what it says may be secret
        return f"the kubeconfig cannot be used ({type(error).__name__})"
    if source is None:
        return (
            f"no kubeconfig was given or found, and there is no service account to use ({what}); "
            "give --kubeconfig or set KUBECONFIG"
        )
    return f"kubeconfig {source} cannot be used: {what}"
