"""Certificates of a cluster: made once, kept while good, renewed when not."""

import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from linkerd.local import certificates
from linkerd.local.certificates import Authority, Subject, ensure_signing_key


def load(file: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(file.read_bytes())


def test_server_certificate_is_accepted_by_a_verifier(tmp_path: Path) -> None:
    authority = Authority(tmp_path, "ca")
    leaf = authority.ensure_leaf("server", Subject("api", hosts=("localhost", "127.0.0.1")))
    store = Store([load(authority.pair.certificate)])
    verifier = PolicyBuilder().store(store).build_server_verifier(x509.DNSName("localhost"))

    chain = verifier.verify(load(leaf.certificate), [])

    assert chain[-1] == load(authority.pair.certificate)


def test_client_certificate_names_user_and_groups(tmp_path: Path) -> None:
    authority = Authority(tmp_path, "ca")
    leaf = authority.ensure_leaf("admin", Subject("me", groups=("system:masters",)))

    assert load(leaf.certificate).subject.rfc4514_string() == "CN=me,O=system:masters"


def test_every_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    Authority(tmp_path, "ca").ensure_leaf("leaf", Subject("x"))
    ensure_signing_key(tmp_path, "accounts")

    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()}

    assert set(modes.values()) == {0o600}
    assert len(modes) == 6


def test_a_public_key_that_is_not_the_key_s_is_made_of_it(tmp_path: Path) -> None:
    """As an interruption between the two leaves it."""
    pair = ensure_signing_key(tmp_path, "accounts")
    right = pair.certificate.read_bytes()
    other = ensure_signing_key(tmp_path, "other").certificate

    other.replace(pair.certificate)
    ensure_signing_key(tmp_path, "accounts")

    assert pair.certificate.read_bytes() == right


def test_good_files_are_kept(tmp_path: Path) -> None:
    Authority(tmp_path, "ca").ensure_leaf("leaf", Subject("x", hosts=("10.0.0.1",)))
    ensure_signing_key(tmp_path, "accounts")
    before = {file: file.read_bytes() for file in tmp_path.iterdir()}

    Authority(tmp_path, "ca").ensure_leaf("leaf", Subject("x", hosts=("10.0.0.1",)))
    ensure_signing_key(tmp_path, "accounts")

    assert {file: file.read_bytes() for file in tmp_path.iterdir()} == before


@pytest.mark.parametrize(
    "wanted",
    [Subject("y"), Subject("x", groups=("g",)), Subject("x", hosts=("10.0.0.2",))],
    ids=["name", "group", "host"],
)
def test_leaf_for_another_subject_is_renewed(tmp_path: Path, wanted: Subject) -> None:
    authority = Authority(tmp_path, "ca")
    first = load(authority.ensure_leaf("leaf", Subject("x")).certificate)

    second = load(authority.ensure_leaf("leaf", wanted).certificate)

    assert second.serial_number != first.serial_number
    assert second.subject == wanted.x509_name()


def test_leaf_of_a_former_authority_is_renewed(tmp_path: Path) -> None:
    leaf = Authority(tmp_path, "ca").ensure_leaf("leaf", Subject("x"))
    (tmp_path / "ca.crt").unlink()

    authority = Authority(tmp_path, "ca")
    authority.ensure_leaf("leaf", Subject("x"))

    load(leaf.certificate).verify_directly_issued_by(load(authority.pair.certificate))


def test_leaf_about_to_expire_is_renewed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = Authority(tmp_path, "ca")
    monkeypatch.setattr(certificates, "_LEAF_LIFETIME", timedelta(days=29))
    first = load(authority.ensure_leaf("leaf", Subject("x")).certificate)
    monkeypatch.undo()

    second = load(authority.ensure_leaf("leaf", Subject("x")).certificate)

    assert first.not_valid_after_utc < second.not_valid_after_utc
    assert second.not_valid_after_utc > datetime.now(UTC) + timedelta(days=300)


@pytest.mark.parametrize("content", [b"", b"garbage", b"-----BEGIN CERTIFICATE-----\nAA=="])
def test_damaged_file_is_replaced(tmp_path: Path, content: bytes) -> None:
    leaf = Authority(tmp_path, "ca").ensure_leaf("leaf", Subject("x"))
    leaf.certificate.write_bytes(content)

    Authority(tmp_path, "ca").ensure_leaf("leaf", Subject("x"))

    assert load(leaf.certificate).subject == Subject("x").x509_name()


hosts = st.lists(
    st.one_of(
        st.ip_addresses().map(str),
        st.from_regex(r"[a-z]([a-z0-9-]{0,8}[a-z0-9])?(\.[a-z]{1,5}){0,2}", fullmatch=True),
    ),
    min_size=1,
    max_size=6,
    unique=True,
)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(hosts=hosts)
def test_any_hosts_are_found_again(tmp_path: Path, hosts: list[str]) -> None:
    authority = Authority(tmp_path, "ca")
    subject = Subject("server", hosts=tuple(hosts))

    first = authority.ensure_leaf("leaf", subject).certificate.read_bytes()

    assert authority.ensure_leaf("leaf", subject).certificate.read_bytes() == first
