"""An extension API answers the API server alone, and knows it by its certificate."""

import asyncio
import base64
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml
from aiohttp import web

from linkerd.certificates import make_authority
from linkerd.delivery.certificates import with_certificates
from linkerd.delivery.kubectl import Kubectl
from linkerd.local.api import AdminApi, ApiRefusedError
from linkerd.local.cluster import LocalCluster
from linkerd.runtime.clock import SystemClock
from linkerd.runtime.metrics import registry
from linkerd.runtime.values import HostPort
from linkerd.trust.errors import TrustProblem
from linkerd.webhook.front_proxy import FrontProxy
from linkerd.webhook.https import ConnectionLimits, HttpsServer
from linkerd.webhook.tls import ServerTls
from tests.support.mount import Mount
from tests.support.webhooks.called import manifests
from tests.support.webhooks.served import DAY, for_clients, served

ROOT = make_authority("front", lifetime=DAY)
BUNDLE = ROOT.certificate_pem.decode()


class TestRead:
    @pytest.mark.parametrize(
        ("names", "read"), [('["a", "b"]', {"a", "b"}), ("[]", set()), ("", set()), (None, set())]
    )
    def test_names(self, names: str | None, read: set[str]) -> None:
        data = {"requestheader-client-ca-file": BUNDLE}
        if names is not None:
            data["requestheader-allowed-names"] = names
        assert FrontProxy.of(data) == FrontProxy((ROOT.certificate,), frozenset(read))

    @pytest.mark.parametrize(
        ("data", "says"),
        [
            ({}, "authentication, requestheader-client-ca-file: it is empty"),
            (
                {"requestheader-client-ca-file": "x"},
                "requestheader-client-ca-file: it is not a PEM",
            ),
            (
                {"requestheader-client-ca-file": BUNDLE, "requestheader-allowed-names": "{}"},
                "requestheader-allowed-names: it is no list of names: Expected `array`",
            ),
        ],
    )
    def test_what_is_wrong_is_named(self, data: dict[str, str], says: str) -> None:
        with pytest.raises(TrustProblem, match=says):
            FrontProxy.of(data)


class TestCallers:
    @pytest.mark.parametrize(
        ("allowed", "client", "says"),
        [
            ({"front-proxy"}, "front-proxy", "None"),
            ({"other", "front-proxy"}, "front-proxy", "None"),
            (set(), "whoever", "None"),
            ({"front-proxy"}, "kubelet", "names (kubelet, kubelet) are none of those allowed"),
            ({"front-proxy"}, None, "a client certificate is needed"),
            (set(), None, "a client certificate is needed"),
        ],
    )
    async def test_names(
        self, tmp_path: Path, allowed: set[str], client: str | None, says: str
    ) -> None:
        proxy = FrontProxy((ROOT.certificate,), frozenset(allowed))

        async def answer(request: web.BaseRequest) -> web.Response:
            return web.Response(text=str(proxy.refusal(request)))

        async with served(
            tmp_path, handler=answer, prepare=lambda tls: tls.trust_clients(proxy.roots)
        ) as server:
            pair = None if client is None else for_clients(client, ROOT)
            trust = server.certificates.trusting(pair, tmp_path)
            assert says in (await server.request(trust=trust))[1]

    async def test_the_roots_may_change(self, tmp_path: Path) -> None:
        async def answer(_: web.BaseRequest) -> web.Response:
            return web.Response(text="served")

        async with served(
            tmp_path, handler=answer, prepare=lambda tls: tls.trust_clients([ROOT.certificate])
        ) as server:
            pair = for_clients("front-proxy", ROOT)
            before, after = (server.certificates.trusting(pair, tmp_path) for _ in range(2))
            assert await server.request(trust=before) == (200, "served")
            server.tls.trust_clients([make_authority("next", lifetime=DAY).certificate])
            with pytest.raises(aiohttp.ClientError):
                await server.request(trust=after)


class Extension:
    """A group of the API, of the namespace's name, that is served here."""

    def __init__(self, cluster: LocalCluster, api: AdminApi, namespace: str) -> None:
        self.kubectl = Kubectl(cluster.kubeconfig)
        self.api = api
        self.namespace = namespace
        self.group = f"{namespace}.toy.example"
        self.path = f"/apis/{self.group}/v1alpha1"
        self.service = f"/apis/apiregistration.k8s.io/v1/apiservices/v1alpha1.{self.group}"

    def prepare(self, folder: Path) -> ServerTls:
        """What an install makes, and kubelet mounts."""
        mount = Mount(folder)
        _, changed = with_certificates(
            self.kubectl, manifests(self._registered(443)), self.namespace
        )
        assert changed == ["secret/toy-k8s-tls"]
        secret = self.api.request("GET", f"/api/v1/namespaces/{self.namespace}/secrets/toy-k8s-tls")
        crt, key = (base64.b64decode(secret["data"][name]) for name in ("tls.crt", "tls.key"))
        mount.put(tls_crt=crt, tls_key=key)
        return ServerTls(
            folder / "tls.crt", folder / "tls.key", names=[f"toy.{self.namespace}.svc"],
            clock=SystemClock(), registry=registry(),
        )  # fmt: skip

    def register(self, port: int) -> None:
        """Has the API server pass requests of the group on."""
        external = {"type": "ExternalName", "externalName": "localhost"}
        services = f"/api/v1/namespaces/{self.namespace}/services"
        self.api.request("POST", services, {"metadata": {"name": "toy"}, "spec": external})
        text, _ = with_certificates(self.kubectl, manifests(self._registered(port)), self.namespace)
        (registered,) = yaml.safe_load_all(text)
        self.api.apply(self.service, registered)

    def ask(self) -> Any:
        """What an administrator gets from the group."""
        return self.api.request("GET", f"{self.path}/namespaces/shop/colours/red")

    def _registered(self, port: int) -> dict[str, Any]:
        return {
            "apiVersion": "apiregistration.k8s.io/v1",
            "kind": "APIService",
            "metadata": {"name": f"v1alpha1.{self.group}"},
            "spec": {
                "group": self.group, "version": "v1alpha1", "groupPriorityMinimum": 1000,
                "versionPriority": 100,
                "service": {"name": "toy", "namespace": self.namespace, "port": port},
            },
        }  # fmt: skip


@pytest.fixture
def extension(api_cluster: LocalCluster, namespace: str) -> Iterator[Extension]:
    with api_cluster.api() as api:
        extension = Extension(api_cluster, api, namespace)
        yield extension
        with suppress(ApiRefusedError):
            api.request("DELETE", extension.service)


@pytest.mark.integration
async def test_a_real_api_server_is_known(extension: Extension, tmp_path: Path) -> None:
    """It passes a request on to us as to tap, over the certificate that an install makes."""
    tls = await asyncio.to_thread(extension.prepare, tmp_path / "tls")
    tls.load()
    published = "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication"
    proxy = FrontProxy.of(
        (await asyncio.to_thread(extension.api.request, "GET", published))["data"]
    )
    assert proxy.names == {"front-proxy-client"}
    tls.trust_clients(proxy.roots)

    async def answer(request: web.BaseRequest) -> web.Response:
        if (why := proxy.refusal(request)) is not None:
            return web.json_response({"message": why}, status=403)
        if request.path == extension.path:
            return web.json_response({"kind": "APIResourceList", "resources": []})
        return web.json_response({"user": request.headers["X-Remote-User"], "path": request.path})

    server = HttpsServer(
        HostPort("127.0.0.1", 0), tls, answer, limits=ConnectionLimits(), clock=SystemClock(),
        registry=registry(),
    )  # fmt: skip
    await asyncio.to_thread(extension.register, await server.start())
    async with asyncio.timeout(20):
        while True:  # until the API server has found the group to be available
            with suppress(ApiRefusedError):
                said = await asyncio.to_thread(extension.ask)
                break
    path = f"{extension.path}/namespaces/shop/colours/red"
    assert said == {"user": "linkerd-local-admin", "path": path}
    await server.stop(0, 1)
