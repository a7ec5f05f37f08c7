"""What filters do."""

from typing import Any

import msgspec
import pytest

from linkerd.kube.objects import RouteFilter
from linkerd.policy.errors import PolicyError, UnsupportedError
from linkerd.policy.filters import (
    GRPC_FILTERS,
    HTTP_FILTERS,
    Filter,
    FullPath,
    HeaderChanges,
    PrefixPath,
    Redirect,
    RequestHeaders,
    ResponseHeaders,
    check_supported,
    judge_filters,
)

CHANGES = {
    "add": [{"name": "X-One", "value": "1"}, {"name": "x-two", "value": "\u00fc"}],
    "set": [{"name": "a", "value": ""}],
    "remove": ["X-Three"],
}


def judged(*filters: dict[str, Any]) -> tuple[Filter, ...]:
    return judge_filters(msgspec.convert(filters, tuple[RouteFilter, ...]), "filters")


def redirect(**body: Any) -> Filter:
    (found,) = judged({"type": "RequestRedirect", "requestRedirect": body})
    return found


def test_o28_header_modifiers_keep_their_order_and_values() -> None:
    changes = HeaderChanges(
        add=(("x-one", "1"), ("x-two", "\u00fc")), set=(("a", ""),), remove=("x-three",)
    )
    found = judged(
        {"type": "RequestHeaderModifier", "requestHeaderModifier": CHANGES},
        {"type": "ResponseHeaderModifier", "responseHeaderModifier": CHANGES},
    )
    assert found == (RequestHeaders(changes), ResponseHeaders(changes))


def test_i67_a_redirect() -> None:
    found = redirect(
        scheme="HTTPS",
        hostname="pear.test",
        path={"type": "ReplaceFullPath", "replaceFullPath": "/x"},
        port=8443,
        statusCode=301,
    )
    assert found == Redirect("https", "pear.test", FullPath("/x"), 8443, 301)


def test_a_redirect_that_says_nothing_is_a_302() -> None:
    assert redirect() == Redirect(status=302)


def test_a_redirect_of_a_prefix() -> None:
    found = redirect(path={"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"})
    assert found == Redirect(path=PrefixPath("/"))


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"path": {}}, "path.type"),
        ({"path": {"type": "ReplaceFullPath"}}, "path.replaceFullPath"),
        (
            {"path": {"type": "ReplaceFullPath", "replacePrefixMatch": "/"}},
            "path.replaceFullPath",
        ),
        (
            {"path": {"type": "ReplaceFullPath", "replaceFullPath": "foo/bar"}},
            "path.replaceFullPath",
        ),
        (
            {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "foo"}},
            "path.replacePrefixMatch",
        ),
        ({"scheme": "ht tp"}, "scheme"),
        ({"hostname": "pear.test:80"}, "hostname"),
        ({"port": 0}, "port"),
        ({"port": 65_536}, "port"),
        ({"statusCode": 200}, "statusCode"),
    ],
)
def test_a19_a_redirect_that_proxies_cannot_be_told(body: dict[str, Any], field: str) -> None:
    with pytest.raises(PolicyError) as raised:
        redirect(**body)
    assert raised.value.field == f"filters[0].requestRedirect.{field}"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"add": [{"name": "a"}, {"name": ":path"}]}, "add[1].name"),
        ({"set": [{"name": "a", "value": "\x00"}]}, "set[0].value"),
        ({"remove": ["a", ""]}, "remove[1]"),
    ],
)
@pytest.mark.parametrize("side", ["request", "response"])
def test_header_modifiers_that_proxies_cannot_be_told(
    side: str, changes: dict[str, Any], field: str
) -> None:
    body = f"{side}HeaderModifier"
    with pytest.raises(PolicyError) as raised:
        judged({"type": f"{side.capitalize()}HeaderModifier", body: changes})
    assert raised.value.field == f"filters[0].{body}.{field}"


@pytest.mark.parametrize(
    "type_", ["RequestHeaderModifier", "ResponseHeaderModifier", "RequestRedirect"]
)
def test_a_filter_without_its_body(type_: str) -> None:
    with pytest.raises(PolicyError, match="is missing") as raised:
        judged({"type": type_})
    assert raised.value.field == f"filters[0].{type_[0].lower()}{type_[1:]}"


def test_a_filter_of_another_type_than_its_body_is_what_the_body_says() -> None:
    body = {"type": "RequestHeaderModifier", "requestRedirect": {"hostname": "pear.test"}}
    assert judged(body) == (Redirect(host="pear.test"),)
    filters = msgspec.convert([body], tuple[RouteFilter, ...])
    check_supported(filters, HTTP_FILTERS, "filters")
    with pytest.raises(UnsupportedError, match="'RequestRedirect' is no filter"):
        check_supported(filters, GRPC_FILTERS, "filters")


def test_a_body_of_the_type_comes_before_others() -> None:
    (found,) = judged(
        {
            "type": "RequestRedirect",
            "requestHeaderModifier": CHANGES,
            "requestRedirect": {"hostname": "pear.test"},
        }
    )
    assert found == Redirect(host="pear.test")


@pytest.mark.parametrize("type_", ["URLRewrite", "RequestMirror", "ExtensionRef", "Other"])
def test_o30_types_that_no_proxy_has(type_: str) -> None:
    filters = msgspec.convert([{"type": type_}], tuple[RouteFilter, ...])
    assert judge_filters(filters, "filters") == ()
    for types in (HTTP_FILTERS, GRPC_FILTERS):
        with pytest.raises(UnsupportedError) as raised:
            check_supported(filters, types, "filters")
        assert raised.value.field == "filters[0].type"


def test_calls_of_grpc_are_not_redirected() -> None:
    filters = msgspec.convert([{"type": "RequestRedirect"}], tuple[RouteFilter, ...])
    check_supported(filters, HTTP_FILTERS, "filters")
    with pytest.raises(UnsupportedError, match=r"RequestHeaderModifier, ResponseHeaderModifier$"):
        check_supported(filters, GRPC_FILTERS, "filters")
