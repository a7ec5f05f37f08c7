"""Routes from OpenAPI documents of both versions."""

import json
import re
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from linkerd.profiles.errors import SourceError
from linkerd.profiles.openapi import openapi_routes, path_regex
from linkerd.profiles.routes import MAX_PARTS, Route, profile_of
from linkerd.profiles.validation import validate

T191 = """
swagger: "2.0"
info: {title: Bank, version: 1.0.0}
basePath: /v1/
paths:
  /vaults/{key}:
    put:
      responses: {200: {description: put}, default: {description: who knows}}
    get:
      x-linkerd-retryable: true
      x-linkerd-timeout: 2s
      responses:
        500: {description: broken}
        "200": {description: good}
    parameters: [{name: key, in: path, required: true, type: string}]
  /vaults/:
    post: {responses: {}}
  /a.b/{x}/c:
    head: {x-other: [1]}
  x-notes: {get: ignored}
"""


def one(*statuses: int) -> tuple[range, ...]:
    """Each by itself."""
    return tuple(range(status, status + 1) for status in statuses)


def hundred(status: int) -> range:
    return range(status, status + 100)


def test_t191_a_document() -> None:
    """Paths sorted, methods in their order, one class a declared status."""
    assert openapi_routes(T191.encode()) == [
        Route("HEAD /v1/a.b/{x}/c", "HEAD", r"/v1/a\.b/[^/]*/c"),
        Route("POST /v1/vaults/", "POST", "/v1/vaults/"),
        Route("GET /v1/vaults/{key}", "GET", "/v1/vaults/[^/]*", one(200, 500), True, "2s"),
        Route("PUT /v1/vaults/{key}", "PUT", "/v1/vaults/[^/]*", one(200)),
    ]


def test_t191_the_profile() -> None:
    """What the routes become: 500 is a failure, 200 is not."""
    (*_, get, _put) = openapi_routes(T191.encode())
    profile = profile_of("bank", "fin", "mesh.test", [get])
    validate(profile)
    assert profile == {
        "apiVersion": "linkerd.io/v1alpha2",
        "kind": "ServiceProfile",
        "metadata": {"name": "bank.fin.svc.mesh.test", "namespace": "fin"},
        "spec": {
            "routes": [
                {
                    "name": "GET /v1/vaults/{key}",
                    "condition": {"method": "GET", "pathRegex": "/v1/vaults/[^/]*"},
                    "responseClasses": [
                        {"condition": {"status": {"min": 200, "max": 200}}},
                        {"condition": {"status": {"min": 500, "max": 500}}, "isFailure": True},
                    ],
                    "isRetryable": True,
                    "timeout": "2s",
                }
            ]
        },
    }


def test_json_is_read_too() -> None:
    text = json.dumps(yaml.safe_load(T191), indent=2)
    assert openapi_routes(text.encode()) == openapi_routes(T191.encode())


def document(path: str = "/x", operation: Any = None, **more: Any) -> bytes:
    return json.dumps({"paths": {path: {"get": operation or {}}}} | more).encode()


VARIABLES = {"s": {"default": "https"}, "v": {"default": 2}}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"[]", "the document: a mapping is expected"),
        (b"{", "it is neither YAML nor JSON"),
        (document(servers=[1], openapi="3.0.3"), "servers[0]: a mapping is expected"),
        (document(basePath=1), "basePath: text is expected"),
        (document(paths=[]), "paths: a mapping is expected"),
        (document(paths={"/x": [1]}), "paths./x: a mapping is expected"),
        (document(operation=[1]), "paths./x.get: a mapping is expected"),
        (document(operation={"responses": [1]}), "GET /x: responses: a mapping is expected"),
        (document(operation={"x-linkerd-retryable": "yes"}), "must be true or false"),
        (document(operation={"x-linkerd-timeout": 2}), "x-linkerd-timeout: text is expected"),
        (document(operation={"x-linkerd-timeout": "2"}), "'2' is not a duration"),
    ],
)
def test_refused(text: bytes, said: str) -> None:
    with pytest.raises(SourceError) as refused:
        openapi_routes(text)
    assert said in str(refused.value)


BASES: list[tuple[dict[str, Any], str, str]] = [
    ({"basePath": "/api/v2"}, "/users", "/api/v2/users"),
    ({"basePath": "/api/v2/"}, "/users", "/api/v2/users"),
    ({"basePath": "api//"}, "//users", "/api/users"),
    ({"basePath": "/"}, "/", "/"),
    ({"basepath": "/v1"}, "/users", "/v1/users"),
    ({"basePath": None}, "/users", "/users"),
    ({"basePath": "/v1", "openapi": "3.0.0"}, "/users", "/users"),
    ({"openapi": "3.0.0", "servers": []}, "/users", "/users"),
    ({"openapi": "3.0.0", "servers": [{"url": "https://x.test/v1"}]}, "/users", "/v1/users"),
    ({"openapi": "3.1.0", "servers": [{"url": "/v1/"}, {"url": "/v2"}]}, "/users", "/v1/users"),
    ({"openapi": "3.0.0", "servers": [{"url": "x.test/v1"}]}, "/users", "/users"),
    (
        {"openapi": "3.0.0", "servers": [{"url": "{s}://x/{v}", "variables": VARIABLES}]},
        "/users",
        "/2/users",
    ),
]


@pytest.mark.parametrize(("more", "path", "whole"), BASES)
def test_what_is_before_a_path(more: dict[str, Any], path: str, whole: str) -> None:
    """It belongs to the name of the route as to its condition."""
    (route,) = openapi_routes(document(path, **more))
    assert route == Route(f"GET {whole}", "GET", whole)


def test_the_nearest_servers_count() -> None:
    servers = {name: [{"url": f"/{name}"}] for name in ("all", "path", "operation")}
    item = {"servers": servers["path"], "get": {}, "put": {"servers": servers["operation"]}}
    text = document(openapi="3.0.0", servers=servers["all"], paths={"/x": item, "/y": {"get": {}}})
    assert [route.name for route in openapi_routes(text)] == [
        "GET /path/x", "PUT /operation/x", "GET /all/y",
    ]  # fmt: skip


def test_a_class_of_every_status_that_is_listed() -> None:
    """Whatever is behind it, nothing included; single ones before a hundred of them."""
    text = b"""
    paths:
      /x:
        get:
          responses: {5XX: , "200": {}, 200: , "404": {}, 503: ~, 2xx: text, default: , x-y: 1}
    """
    (route,) = openapi_routes(text)
    assert route.statuses == (*one(200, 404, 503), hundred(200), hundred(500))
    profile = profile_of("bank", "fin", "mesh.test", [route])
    validate(profile)
    (said,) = profile["spec"]["routes"]
    assert said["responseClasses"][-1] == {
        "condition": {"status": {"min": 500, "max": 599}}, "isFailure": True,
    }  # fmt: skip
    assert "isFailure" not in said["responseClasses"][-2]


@pytest.mark.parametrize(
    ("text", "routes", "said"),
    [
        ("paths: {/x: {get: {responses: {600: , abc: }}}}", 1, "responses.600 is no HTTP status"),
        ("paths: {/x?y=1: {get: {}}, '/{x#}': {get: {}}}", 2, "no path of a request has a ?"),
        ("paths: {x: {get: {}}, /y: {get: {}}}", 1, "paths.x: a path begins with a slash"),
        ("paths: {/x: {$ref: 'x.yaml#/y'}, /y: {get: {}}}", 1, "paths./x: its $ref leads to"),
        ("paths: {/x: {$ref: '#/paths/~1x'}}", 0, "paths./x: its $ref leads to nothing"),
        ("paths: {/x: {get: {}}, /x: {post: {}, put: {}}}", 2, "key '/x' is there 2 times"),
        ('{"paths": {"/x": {"get": {}}, "/x": {}}}', 0, "key '/x' is there 2 times"),
        ("paths: {/x: {get: {}}}\n---\npaths: {}\n", 1, "several documents"),
    ],
)
def test_what_is_left_out_is_told(text: str, routes: int, said: str) -> None:
    notes: list[str] = []
    assert len(openapi_routes(text.encode(), notes.append)) == routes
    assert said in "; ".join(notes)


@pytest.mark.parametrize(
    "text",
    [
        "Paths: {/x: {GET: {X-Linkerd-Retryable: true, X-LINKERD-TIMEOUT: 1s}}}",
        "paths: {/x: {$ref: '#/x-items/a~1b'}}\nx-items: {a/b: {get: *o}}",
        "paths: {/x: {$ref: '#/x-items/a/0', get: *o}}",
        "paths: {/x: {get: *o, post: , parameters: {not: a list}}, /y: }",
        "paths: {/x: {get: *o}}\nx: !Sub text\ny: .nan\nz: {1.5: x, ~: y, 0x1: 2020-01-01}",
        "paths: {/x: {get: *o}}\nx: =\ny: 99999999999999999999999999",
        "swagger: 2.0\npaths: {/x: {get: *o, x-y: *o}}\n...\n",
        "\ufeff" + 'paths: {/x: {get: {"x-linkerd-retryable": true, x-linkerd-timeout: 1s}}}',
        (
            '{\n\t"paths": {"\\/x": {"get": {"x-linkerd-retryable": true,'
            ' "x-linkerd-timeout": "1s", "summary": "\\ud83d\\ude00"}}}\n}'
        ),
    ],
)
def test_as_people_write_them(text: str) -> None:
    operation = "o: &o {x-linkerd-retryable: true, x-linkerd-timeout: 1s}\n"
    whole = f"{operation}{text}" if "*o" in text else text
    assert openapi_routes(whole.encode()) == [Route("GET /x", "GET", "/x", (), True, "1s")]


@pytest.mark.parametrize(
    ("path", "regex"),
    [
        ("/a?x=1", r"/a\?x=1"), ("/{a?}/b", "/[^/]*/b"), ("/{}", "/[^/]*"),
        ("/{a}-{b}.json", r"/[^/]*-[^/]*\.json"), ("/{x", r"/\{x"), ("/{a{b}}", r"/[^/]*\}"),
        ("/v1/{name=books/*}:read", "/v1/[^/]*:read"),
    ],
)  # fmt: skip
def test_regexes(path: str, regex: str) -> None:
    assert path_regex(path) == regex


@pytest.mark.parametrize("text", [b"[", b"- ", b"{a: ", b'{"a":', b"? "])
def test_what_nests_without_end(text: bytes) -> None:
    """The loader's C would run out of stack."""
    with pytest.raises(SourceError, match="nested too deep"):
        openapi_routes(text * 300_000)


def test_methods_of_the_third_version() -> None:
    text = document(openapi="3.0.0", paths={"/x": {"trace": {}, "query": {}, "put": {}}})
    assert [route.name for route in openapi_routes(text)] == ["PUT /x", "TRACE /x"]


def test_a_document_without_paths_has_no_routes() -> None:
    for text in (b"swagger: '2.0'", b"paths:", b""):
        assert openapi_routes(text) == []


def test_what_a_few_aliases_stand_for_is_bounded() -> None:
    """Each path has seven operations, each with hundreds of statuses, all of them the same."""
    statuses = ", ".join(f"{n}: x" for n in range(100, 600))
    methods = ", ".join(f"{m}: *o" for m in ("get", "put", "post", "head", "patch", "delete"))
    paths = "\n".join(f"  /{n}: *p" for n in range(60))
    text = f"o: &o {{responses: {{{statuses}}}}}\np: &p {{{methods}}}\npaths:\n{paths}\n"
    with pytest.raises(SourceError, match=f"more than {MAX_PARTS} routes"):
        openapi_routes(text.encode())


@given(st.lists(st.text(alphabet=".+*?()|[]^$\\-&~# az", max_size=6), min_size=1, max_size=4))
def test_a_regex_matches_its_paths_and_no_other(literals: list[str]) -> None:
    """Parameters are one segment each; all the rest is taken literally."""
    regex = re.compile(path_regex("/{id}/".join(literals)))
    assert regex.fullmatch("/a.b-c/".join(literals))
    assert regex.fullmatch("//".join(literals))
    if len(literals) > 1:
        assert not regex.fullmatch("/a/b/".join(literals)) or any("/" in x for x in literals)
        assert not regex.fullmatch("".join(literals) + "!")


PATHS = st.text(alphabet="/{}az.0-", max_size=10).map("/".__add__)
OPERATIONS = st.fixed_dictionaries(
    {},
    optional={
        "x-linkerd-retryable": st.booleans(),
        "x-linkerd-timeout": st.sampled_from(["", "1s", "250ms", "1m30s", "-1s"]),
        "responses": st.dictionaries(
            st.integers(100, 599).map(str) | st.just("default"), st.just({}), max_size=4
        ),
    },
)
METHODS = st.sampled_from(["get", "put", "post", "delete", "options", "head", "patch", "x-y"])
DOCUMENTS = st.fixed_dictionaries(
    {"paths": st.dictionaries(PATHS, st.dictionaries(METHODS, OPERATIONS, max_size=3), max_size=3)},
    optional={"basePath": PATHS},
)


@given(DOCUMENTS)
def test_every_generated_profile_validates(value: Any) -> None:
    routes = openapi_routes(json.dumps(value).encode())
    count = sum(len(item.keys() - {"x-y"}) for item in value["paths"].values())
    assert len(routes) == count
    validate(profile_of("bank", "fin", "mesh.test", routes))


JSON_LIKE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["paths", "/x", "get", "responses", "200", "x-linkerd-timeout"]), inner
        )
    ),
)


@given(JSON_LIKE)
def test_no_other_error(value: Any) -> None:
    try:
        openapi_routes(json.dumps(value).encode())
    except SourceError:
        return
