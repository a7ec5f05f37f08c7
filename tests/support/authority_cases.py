"""All kinds of issuers, roots and what stands between them, by name: each is made in a folder."""

import ipaddress
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.support import authorities as make
from tests.support.authorities import (
    DAY,
    NOW,
    Case,
    excluded,
    key_usage,
    named,
    permitted,
    usages,
    with_issuer,
    with_middle,
    with_root,
)  # fmt: skip
from tests.support.certificates import rsa_key
from tests.support.verifiers import HOST

SERVER, CLIENT = ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH
ANY, CODE = ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE, ExtendedKeyUsageOID.CODE_SIGNING
EXPIRED: Final[dict[str, Any]] = {"start": NOW - 9 * DAY, "lifetime": DAY}
LATER: Final[dict[str, Any]] = {"start": NOW + DAY}
DIRECTORY = x509.DirectoryName(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "x")]))
LAN = x509.IPAddress(ipaddress.ip_network("10.0.0.0/8"))
EC_KEY: Final = "-algorithm EC -pkeyopt ec_paramgen_curve:P-256"
EDWARDS: Final = "-algorithm ED25519"
DNS = x509.DNSName

CASES: Final[dict[str, Callable[[Path], Case]]] = {
    "plain": lambda _: with_root(),
    "root by openssl, version 1": lambda f: make.made_by_openssl(f, EC_KEY, 1),
    "RSA root by openssl, version 1": lambda f: make.made_by_openssl(f, "-algorithm RSA", 1),
    "Ed25519 root by openssl, version 1": lambda f: make.made_by_openssl(f, EDWARDS, 1),
    "Ed25519 root by openssl": lambda f: make.made_by_openssl(f, EDWARDS, 3),
    "RSA root by openssl": lambda f: make.made_by_openssl(f, "-algorithm RSA", 3),
    "version 1 below a root": make.first_version_below,
    "P-384 root": lambda _: with_root(ec.generate_private_key(ec.SECP384R1())),
    "P-521 root": lambda _: with_root(ec.generate_private_key(ec.SECP521R1())),
    "RSA 3072 root": lambda _: with_root(rsa_key(3072)),
    "RSA 1024 root": lambda _: with_root(rsa_key(1024)),
    "P-224 root": lambda _: with_root(ec.generate_private_key(ec.SECP224R1())),
    "Ed448 root": lambda _: with_root(ed448.Ed448PrivateKey.generate()),
    "root that is no CA": lambda _: with_root(ca=False),
    "root without keyCertSign": lambda _: with_root(extensions=key_usage(sign=False)),
    "root with keyCertSign": lambda _: with_root(extensions=key_usage(sign=True)),
    "root of path length 0": lambda _: with_root(path_length=0),
    "root of path length 1": lambda _: with_root(path_length=1),
    "root that has expired": lambda _: with_root(**EXPIRED),
    "root of tomorrow": lambda _: with_root(**LATER),
    "root with usages": lambda _: with_root(extensions=usages(SERVER, CLIENT)),
    "root for servers": lambda _: with_root(extensions=usages(SERVER)),
    "root without identifiers": lambda _: with_root(identifiers=False),
    "P-384 issuer": lambda _: with_issuer(ec.generate_private_key(ec.SECP384R1())),
    "P-521 issuer": lambda _: with_issuer(ec.generate_private_key(ec.SECP521R1())),
    "issuer that is no CA": lambda _: with_issuer(ca=False),
    "issuer of path length 0": lambda _: with_issuer(path_length=0),
    "issuer without keyCertSign": lambda _: with_issuer(extensions=key_usage(sign=False)),
    "issuer that has expired": lambda _: with_issuer(**EXPIRED),
    "issuer of tomorrow": lambda _: with_issuer(**LATER),
    "issuer with usages": lambda _: with_issuer(extensions=usages(SERVER, CLIENT)),
    "issuer for servers": lambda _: with_issuer(extensions=usages(SERVER)),
    "issuer for clients": lambda _: with_issuer(extensions=usages(CLIENT)),
    "issuer for code": lambda _: with_issuer(extensions=usages(CODE)),
    "issuer for anything": lambda _: with_issuer(extensions=usages(ANY)),
    "issuer for anything and both": lambda _: with_issuer(extensions=usages(ANY, SERVER, CLIENT)),
    "issuer of a tampered name": lambda _: make.tampered(),
    "issuer that is the root": lambda _: make.the_root_itself(),
    "issuer that is the root, which has expired": lambda _: make.the_root_itself(**EXPIRED),
    "middle": lambda _: with_middle(),
    "Ed25519 middle": lambda _: with_middle(ed25519.Ed25519PrivateKey.generate()),
    "RSA middle": lambda _: with_middle(rsa_key(2048)),
    "RSA 1024 middle": lambda _: with_middle(rsa_key(1024)),
    "middle that is no CA": lambda _: with_middle(ca=False),
    "middle of path length 0": lambda _: with_middle(path_length=0),
    "middle of path length 1": lambda _: with_middle(path_length=1),
    "middle that has expired": lambda _: with_middle(**EXPIRED),
    "middle for code": lambda _: with_middle(extensions=usages(CODE)),
    "middle that is missing": lambda _: make.missing_middle(),
    "middle as anchor": lambda _: make.intermediate_as_anchor(),
    "root in the file": lambda _: make.anchor_repeated(),
    "another root of that name": lambda _: make.other_root(),
    "old and new root": lambda _: make.rotated(old_first=True),
    "new and old root": lambda _: make.rotated(old_first=False),
    "renewed root, expired first": lambda _: make.renewed(expired_first=True),
    "renewed root, expired last": lambda _: make.renewed(expired_first=False),
    "cross-signed root": lambda _: make.cross_signed(),
    "circle": lambda _: make.circle(),
    "disordered": lambda _: make.disordered(),
    "six authorities": lambda _: make.line(6),
    "seven authorities": lambda _: make.line(7),
    "names within": lambda _: with_issuer(extensions=permitted(DNS(HOST))),
    "names elsewhere": lambda _: with_issuer(extensions=permitted(DNS("other.example"))),
    "names within, or elsewhere": lambda _: with_issuer(
        extensions=permitted(DNS("other.example"), DNS(HOST))
    ),
    "names excluded": lambda _: with_issuer(extensions=excluded(DNS(HOST))),
    "names excluded elsewhere": lambda _: with_issuer(extensions=excluded(DNS("other.example"))),
    "names of the root": lambda _: with_root(extensions=permitted(DNS("other.example"))),
    "directory names": lambda _: with_issuer(extensions=permitted(DIRECTORY)),
    "directory names excluded": lambda _: with_issuer(extensions=excluded(DIRECTORY)),
    "addresses": lambda _: with_issuer(extensions=permitted(LAN)),
    "issuer with a name": lambda _: with_issuer(extensions=named("identity.example")),
}  # fmt: skip
