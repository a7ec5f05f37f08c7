"""Proxies get their certificates of our identity service, renew them, and tell servers by them who
calls."""

import ssl

import pytest
from cryptography import x509

from tests.support.eventually import until
from tests.support.mesh.scene import Scene
from tests.support.mesh.world import World

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120), pytest.mark.xdist_group("mesh")]


def certificate(world: World, pod: str, port: int) -> x509.Certificate:
    """What the proxy of a pod shows to a stranger, who trusts the anchors alone."""
    context = ssl.create_default_context(cadata=world.anchors)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    identity = world[pod].identity
    with (
        world["plain"].host.connect(world[pod].host.ip, port) as connection,
        context.wrap_socket(connection, server_hostname=identity) as tls,
    ):
        shown = tls.getpeercert(binary_form=True)
        assert shown is not None
        return x509.load_der_x509_certificate(shown)


def test_a_proxy_shows_its_identity(scene: Scene) -> None:
    shown = certificate(scene.world, "web-1", scene.port)
    names = shown.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [scene.world["web-1"].identity]


def test_a_proxy_renews_its_certificate_and_goes_on(scene: Scene) -> None:
    world, app = scene.world, scene.app("web-3")
    first = certificate(world, "web-3", scene.port)
    until(
        lambda: certificate(world, "web-3", scene.port).serial_number != first.serial_number,
        "another certificate",
    )
    later = certificate(world, "web-3", scene.port)
    assert later.public_key() == first.public_key()
    assert world["web-3"].proxy.metric("control_identity_cert_refreshes_total", result="ok") > 1
    assert scene.get(world["web-3"].at(scene.port)).text == "web-3"
    assert app.requests[0].headers["l5d-client-id"] == world["client"].identity


def test_the_server_is_told_who_calls(scene: Scene) -> None:
    world, apps = scene.world, scene.web("web-1")
    service = scene.service("web-1")
    for caller in ("client", "other"):
        assert scene.get(service, by=caller).text == "web-1"
    told = [request.headers["l5d-client-id"] for request in apps["web-1"].requests]
    assert told == [world["client"].identity, world["other"].identity]
    inbound = world["web-1"].proxy.metric(
        "request_total",
        direction="inbound",
        target_port=str(scene.port),
        tls="true",
        client_id=world["other"].identity,
    )
    outbound = world["other"].proxy.metric(
        "request_total",
        direction="outbound",
        authority=service.authority,
        tls="true",
        server_id=world["web-1"].identity,
    )
    assert (inbound, outbound) == (1, 1)


def test_nobody_can_claim_to_be_another(scene: Scene) -> None:
    world, app = scene.world, scene.app("web-1")
    claim = {"l5d-client-id": world["other"].identity}
    for caller in ("client", "plain"):
        scene.get(world["web-1"].at(scene.port), by=caller, headers=claim)
    meshed, plain = app.requests
    assert meshed.headers["l5d-client-id"] == world["client"].identity
    assert "l5d-client-id" not in plain.headers


def test_a_caller_may_insist_on_who_answers(scene: Scene) -> None:
    scene.app("web-1")
    service, world = scene.service("web-1"), scene.world
    wants = {"l5d-require-id": world["web-1"].identity}
    assert scene.get(service, headers=wants).status == 200
    assert scene.get(service, headers={"l5d-require-id": world["other"].identity}).status == 502
