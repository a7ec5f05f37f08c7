"""Routes from OpenAPI 2 documents."""

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


def test_t191_a_document() -> None:
    """Paths sorted, methods in their order, one class a declared status."""
    assert openapi_routes(T191.encode()) == [
        Route("HEAD /a.b/{x}/c", "HEAD", r"/v1/a\.b/[^/]*/c"),
        Route("POST /vaults/", "POST", "/v1/vaults/"),
        Route("GET /vaults/{key}", "GET", "/v1/vaults/[^/]*", (200, 500), True, "2s"),
        Route("PUT /vaults/{key}", "PUT", "/v1/vaults/[^/]*", (200,)),
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
                    "name": "GET /vaults/{key}",
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


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"[]", "the document: a mapping is expected"),
        (b"", "the document: a mapping is expected"),
        (document(openapi="3.0.3"), "only OpenAPI 2"),
        (document(basePath=1), "basePath: text is expected"),
        (document(paths=[]), "paths: a mapping is expected"),
        (document(paths={"/x": {"$ref": "x.yaml#/y"}}), "paths./x: it is a $ref"),
        (document(paths={"/x": [1]}), "paths./x: a mapping is expected"),
        (document(operation=[1]), "paths./x.get: a mapping is expected"),
        (document(operation={"responses": [1]}), "GET /x: responses: a mapping is expected"),
        (document(operation={"responses": {"2XX": {}}}), "GET /x: responses.2XX is no HTTP"),
        (document(operation={"responses": {"600": {}}}), "GET /x: responses.600 is no HTTP"),
        (document(operation={"x-linkerd-retryable": "yes"}), "must be true or false"),
        (document(operation={"x-linkerd-timeout": 2}), "x-linkerd-timeout: text is expected"),
        (document(operation={"x-linkerd-timeout": "2"}), "'2' is not a duration"),
    ],
)
def test_refused(text: bytes, said: str) -> None:
    with pytest.raises(SourceError) as refused:
        openapi_routes(text)
    assert said in str(refused.value)


def test_a_document_without_paths_has_no_routes() -> None:
    assert openapi_routes(b"swagger: '2.0'") == []


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
