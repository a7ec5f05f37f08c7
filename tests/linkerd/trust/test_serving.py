"""Pairs that serve, and those that do not, held against what OpenSSL does with them."""

import ssl
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import pairwise

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed448, ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID

from linkerd.certificates import make_authority, make_server
from linkerd.trust.errors import TrustProblem
from linkerd.trust.serving import (
    ServerPair,
    read_server_pair,
    require_names,
    require_trusted,
    require_valid,
)
from tests.support.certificates import PrivateKey, certificate_pem, key_pem, make_ca, p256, rsa_key

NAME = "hook.linkerd.svc"
NOW = datetime.now(UTC)
DAY = timedelta(days=1)
ROOT = make_authority("root", lifetime=DAY)
SAN = x509.SubjectAlternativeName([x509.DNSName(NAME)])


def read(*chain: x509.Certificate, key: PrivateKey) -> ServerPair:
    return read_server_pair(
        certificate_pem(*chain), key_pem(key), certificate_at="tls.crt", key_at="tls.key"
    )


def own(key: PrivateKey, *extensions: x509.ExtensionType) -> ServerPair:
    """A self-signed one, as upstream's charts make."""
    return read(make_ca(NAME, key, ca=False, extensions=extensions or [SAN]), key=key)


def shakes_hands(pair: ServerPair, bundle: list[x509.Certificate], tmp: str) -> bool:
    """Whether a client that trusts the bundle takes the pair."""
    with open(tmp, "wb") as file:  # noqa: PTH123  # a name is all that OpenSSL wants
        file.write(pair.pem)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(tmp)
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
    client.load_verify_locations(cadata=certificate_pem(*bundle).decode())
    ends = _ends(server, client)
    try:
        for _ in range(4):
            for end in ends:
                try:
                    end.do_handshake()
                except ssl.SSLWantReadError:
                    continue
    except ssl.SSLError:
        return False
    return ends[0].version() is not None and ends[1].version() is not None


def _ends(server: ssl.SSLContext, client: ssl.SSLContext) -> tuple[ssl.SSLObject, ssl.SSLObject]:
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    return (
        client.wrap_bio(down, up, server_hostname=NAME),
        server.wrap_bio(up, down, server_side=True),
    )


class TestRead:
    @pytest.mark.parametrize(
        "make", [p256, partial(rsa_key, 2048), ed25519.Ed25519PrivateKey.generate]
    )
    def test_keys_that_serve(self, make: Callable[[], PrivateKey]) -> None:
        assert own(make()).certificate.subject.rfc4514_string() == f"CN={NAME}"

    @pytest.mark.parametrize(
        ("make", "says"),
        [
            (partial(rsa_key, 1024), "tls.key: RSA of 1024 bits is too short"),
            (ed448.Ed448PrivateKey.generate, "tls.key: its kind cannot serve TLS"),
        ],
    )
    def test_keys_that_do_not(self, make: Callable[[], PrivateKey], says: str) -> None:
        with pytest.raises(TrustProblem, match=says):
            own(make())

    def test_a_foreign_key(self) -> None:
        leaf = make_server([NAME], ROOT, lifetime=DAY)
        with pytest.raises(
            TrustProblem, match=r"tls\.key: this key does not belong to .* tls\.crt"
        ):
            read(leaf.certificate, key=p256())

    def test_usages(self) -> None:
        wrong = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
        right = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE])
        own(p256(), SAN, right)
        with pytest.raises(TrustProblem, match="lack serverAuth"):
            own(p256(), SAN, wrong)


class TestNames:
    @pytest.mark.parametrize(
        ("has", "wanted", "good"),
        [
            ([NAME], NAME, True),
            ([NAME.upper()], NAME, True),
            (["*.linkerd.svc"], NAME, True),
            (["*.svc"], NAME, False),
            (["other", NAME], NAME, True),
            (["other"], NAME, False),
            ([f"x.{NAME}"], NAME, False),
        ],
    )
    def test_names(self, has: list[str], wanted: str, good: bool) -> None:
        pair = own(p256(), x509.SubjectAlternativeName([x509.DNSName(name) for name in has]))
        if good:
            require_names(pair, [wanted])
        else:
            with pytest.raises(TrustProblem, match=f"is not for {wanted}"):
                require_names(pair, [wanted])

    def test_a_common_name_is_no_name(self) -> None:
        key = p256()
        with pytest.raises(TrustProblem, match="alternative names: none"):
            require_names(read(make_ca(NAME, key, ca=False), key=key), [NAME])


class TestTime:
    def test_bounds(self) -> None:
        leaf = make_server([NAME], ROOT, lifetime=DAY, now=NOW)
        pair = read(leaf.certificate, key=leaf.key)
        require_valid(pair, NOW)
        for moment, says in ((NOW - DAY, "is not valid before"), (NOW + 2 * DAY, "has expired on")):
            with pytest.raises(TrustProblem, match=says):
                require_valid(pair, moment)


def chains() -> Iterator[tuple[str, ServerPair, list[x509.Certificate], bool]]:
    """Called; a pair; a bundle; whether the two go together."""
    key, between = p256(), make_authority("between", ROOT, lifetime=DAY)
    namesake = make_authority("root", lifetime=DAY)
    leaf = make_server([NAME], ROOT, lifetime=DAY)
    below = make_server([NAME], between, lifetime=DAY)
    selfsigned, plain = own(key), read(leaf.certificate, key=leaf.key)
    root, middle = ROOT.certificate, between.certificate
    yield "root", plain, [root], True
    yield "root among others", plain, [namesake.certificate, root], True
    yield "root of the same name", plain, [namesake.certificate], False
    yield "itself", selfsigned, [selfsigned.certificate], True
    yield "itself, not its issuer", plain, [leaf.certificate], True
    yield "another's itself", selfsigned, [own(key).certificate], False
    yield "between", read(below.certificate, middle, key=below.key), [root], True
    yield "between missing", read(below.certificate, key=below.key), [root], False
    yield "between as root", read(below.certificate, key=below.key), [middle], True
    issuer = make_ca("no ca", key, ca=False)
    issued = make_ca(NAME, key, (issuer, key), ca=False, extensions=[SAN])
    yield "issuer is no authority", read(issued, key=key), [issuer], False
    long_ago = datetime.now(UTC) - 9 * DAY
    ended = make_authority("ended", lifetime=DAY, now=long_ago)
    late = make_ca(
        NAME, key, (ended.certificate, ended.key), ca=False, start=long_ago, extensions=[SAN]
    )
    yield "root has ended", read(late, key=key), [ended.certificate], False


@pytest.mark.parametrize(
    ("pair", "bundle", "good"), [case[1:] for case in chains()], ids=[case[0] for case in chains()]
)
def test_trust_is_what_a_client_says(
    pair: ServerPair, bundle: list[x509.Certificate], good: bool, tmp_path: object
) -> None:
    if good:
        require_trusted(pair, bundle, "caBundle", NOW)
    else:
        with pytest.raises(TrustProblem, match="leads to no certificate of caBundle"):
            require_trusted(pair, bundle, "caBundle", NOW)
    assert shakes_hands(pair, bundle, f"{tmp_path}/pem") is good


def test_what_we_make_is_what_we_ask_for() -> None:
    leaf = make_server([NAME, "other"], ROOT, lifetime=7 * DAY)
    pair = read(leaf.certificate, key=leaf.key)
    require_names(pair, [NAME, "other"])
    ends = [each.not_valid_after_utc for each in (leaf.certificate, ROOT.certificate)]
    assert all(mine <= roots for mine, roots in pairwise(ends)), "no longer than its root"
