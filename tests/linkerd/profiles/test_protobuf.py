"""Routes from protobuf files."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkerd.delivery.tree import ROOT
from linkerd.profiles.definitions import MAX_BYTES
from linkerd.profiles.errors import SourceError
from linkerd.profiles.protobuf import protobuf_routes
from linkerd.profiles.routes import Route, profile_of
from linkerd.profiles.validation import validate
from linkerd.stubs.proxy import destination_pb2

T192 = """
syntax = "proto3";
package bank.v1;
import "google/api/annotations.proto"; // is not here, and need not be

/* services */
service Vaults {
  option deprecated = true;
  rpc Open (OpenRequest) returns (Vault) {
    option (google.api.http) = { post: "/v1/{name=vaults/*}" body: "*" };
  }
  rpc Unknown (A) returns (B) { option idempotency_level = IDEMPOTENCY_UNKNOWN; }
  rpc Close (stream .bank.v1.Vault) returns (stream B) { option idempotency_level = IDEMPOTENT; }
  rpc Look (A) returns (B) {
    option deprecated = false;
    option idempotency_level = NO_SIDE_EFFECTS;
  };
}
message A { oneof kind { string name = 1; } map<string, int64> m = 2; reserved 5, 7 to max; }
service Other { rpc Unlisted (A) returns (B); }
"""


def test_t192_idempotency() -> None:
    """Of every rpc of every service, in the file's order."""
    assert protobuf_routes(T192.encode()) == [
        Route("Open", "POST", r"/bank\.v1\.Vaults/Open"),
        Route("Unknown", "POST", r"/bank\.v1\.Vaults/Unknown"),
        Route("Close", "POST", r"/bank\.v1\.Vaults/Close", retryable=True),
        Route("Look", "POST", r"/bank\.v1\.Vaults/Look", retryable=True),
        Route("Unlisted", "POST", r"/bank\.v1\.Other/Unlisted"),
    ]


def test_without_a_package() -> None:
    (route,) = protobuf_routes(b"service S { rpc Get (A) returns (B); }")
    assert route.path_regex == "/S/Get"


@pytest.mark.parametrize(
    ("body", "retryable"),
    [
        ("option idempotency_level = IDEMPOTENT;", True),
        ("option (idempotency_level)=NO_SIDE_EFFECTS;", True),
        ('option idempotency_level = "IDEMPOTENT";', True),
        ("option idempotency_level = IDEMPOTENT; option idempotency_level = UNKNOWN;", True),
        ("option idempotency_level = IDEMPOTENCY_UNKNOWN;", False),
        ("option idempotency_level = IDEMPOTENCY_UNKNOWN; option deprecated = true;", False),
        ("option (my.idempotency_level) = IDEMPOTENT;", False),
        ("option x = { idempotency_level: IDEMPOTENT };", False),
        ("option x = { a { b: 1 } c: <d: 2> e: [-1, 'f'] }; option idempotency_level = IDEMPOTENT;",
         True),
        ("// option idempotency_level = IDEMPOTENT;\n", False),
        ("", False),
    ],
)  # fmt: skip
def test_levels(body: str, retryable: bool) -> None:
    text = f"service S {{ rpc Get (A) returns (B) {{ {body} }} }}"
    assert protobuf_routes(text.encode()) == [Route("Get", "POST", "/S/Get", retryable=retryable)]


@pytest.mark.parametrize(
    "text",
    [
        "service S { rpc Get (A) returns (B); } package p;",
        "\ufeffpackage p;\r\nservice S {\r\n\trpc Get (A) returns (B);\r\n}\r\n",
        (
            "/* a */ package /**/ p // c\n ; service S { rpc Get /**/ (stream stream.A)"
            " returns (.B) { /* } */ } // }\n }"
        ),
        (
            'edition = "2024"; import option "x.proto"; package p; export message M { }'
            " message N { reserved a, b; } local enum E { A = 0; }"
            " service S { rpc Get (stream) returns (stream stream); };;"
        ),
        (
            "syntax='proto2' ; package p; message M { optional group G = 0x10 { } "
            "extensions 4 to max [verification = DECLARATION, declaration = {number: 4}]; }"
            " extend M { }"
            " option x = \"a\" 'b\\'}' -1.5; service S { stream T (A, B); rpc Get (A) returns (B) }"
        ),
        (
            "package p; message service { string rpc = 1; } service S { option rpc = true;"
            " rpc Get (rpc) returns (returns); }"
        ),
    ],
)
def test_as_people_write_them(text: str) -> None:
    whole = text.replace("returns (B) }", "returns (B); }")
    (route,) = protobuf_routes(whole.encode())
    assert route == Route("Get", "POST", r"/p\.S/Get")


def test_a_file_without_services_has_no_routes() -> None:
    assert protobuf_routes(b"") == protobuf_routes(b'syntax = "proto2"; message A {}') == []


@pytest.mark.parametrize("file", sorted((ROOT / "protos").rglob("*.proto")), ids=lambda f: f.name)
def test_the_project_s_own_files(file: Path) -> None:
    validate(profile_of("s", "n", "mesh.test", protobuf_routes(file.read_bytes())))


def test_paths_are_those_of_the_compiled_service() -> None:
    routes = protobuf_routes((ROOT / "protos" / "proxy" / "destination.proto").read_bytes())
    service = destination_pb2.DESCRIPTOR.services_by_name["Destination"]
    assert [route.path_regex.replace("\\", "") for route in routes] == [
        f"/{service.full_name}/{method.name}" for method in service.methods
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"service S { rpc", "line 1, column "),
        (b"service S {\n rpc Get (A) returns B;\n}", "line 2, column "),
        (b"<html>", "line 1, column 1"),
        (b"service S { rpc G (A) returns (B) { option idempotency_level = ; } }", "line 1, column"),
        (b"\xff", "not UTF-8"),
        (b" " * (MAX_BYTES + 1), "at most"),
        (b"message A {" * 5000, "line 1, column 11: '{' is something that does not end"),
        (b"message A }", "a brace that was not opened"),
        (b"package a; package b;", "line 1, column 12: 'package' is a second package"),
        (b"\n/* x", "line 2, column 1: '/*' is a comment that does not end"),
        (b'option a = "x', "nothing of protobuf's"),
        (b"service S { rpc G (A, B) returns (C); }", "',' is not )"),
        (b"service S { rpc G () returns (C); }", "')' is not a name"),
        (b"service S { rpc G (A) returns (B) { option; } }", "an option without a value"),
        (b"service S { rpc G (A) returns (B) { message M {} } }", "an rpc does not have"),
        (b"service S { message M {} }", "a service does not have"),
        (b"service S {", "the end of the file"),
        (b"service S {" + b"rpc G(A)returns(A);" * 20_001, "more than 20000 rpcs"),
    ],
)
def test_refused(text: bytes, said: str, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SourceError) as refused:
        protobuf_routes(text)
    assert said in str(refused.value)
    assert capfd.readouterr() == ("", "")


WORDS = st.sampled_from(
    ["service", "rpc", "S", "(", ")", "{", "}", "returns", "stream", ";", "option", "=", "package",
     "idempotency_level", "IDEMPOTENT", "message", "a.b", "//", "/*", "\n", '"', "1", "extend"]
)  # fmt: skip


@given(st.lists(WORDS, max_size=25).map(" ".join) | st.text(max_size=40))
def test_no_other_error(text: str) -> None:
    try:
        routes = protobuf_routes(text.encode("utf-8", "surrogatepass"))
    except SourceError:
        return
    validate(profile_of("s", "n", "mesh.test", routes))


NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9_]{0,6}", fullmatch=True).map("N_".__add__)
LEVELS = st.sampled_from([None, "IDEMPOTENCY_UNKNOWN", "IDEMPOTENT", "NO_SIDE_EFFECTS"])


@given(st.lists(NAMES, max_size=3), NAMES, st.dictionaries(NAMES, LEVELS, max_size=4))
def test_every_generated_profile_validates(
    package: list[str], service: str, methods: dict[str, str | None]
) -> None:
    lines = [
        f"rpc {name} (A) returns (B)"
        + (f" {{ option idempotency_level = {level}; }}" if level else ";")
        for name, level in methods.items()
    ]
    head = f"package {'.'.join(package)};" if package else ""
    text = f"{head} service {service} {{ {' '.join(lines)} }}"
    routes = protobuf_routes(text.encode())
    assert {r.name: r.retryable for r in routes} == {
        name: level in {"IDEMPOTENT", "NO_SIDE_EFFECTS"} for name, level in methods.items()
    }
    validate(profile_of("s", "n", "mesh.test", routes))
