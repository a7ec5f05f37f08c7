"""Documents that are nested too deep lose the depth and nothing else."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from linkerd.kube.depth import prune

_DOCUMENTS = st.recursive(
    st.none() | st.integers() | st.text() | st.sampled_from(['"', "\\", '\\"', "[{", "}]"]),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=30,
)


def _cut(value: Any, levels: int) -> Any:
    if not isinstance(value, (dict, list)):
        return value
    if levels == 0:
        return 0
    if isinstance(value, dict):
        return {key: _cut(item, levels - 1) for key, item in value.items()}
    return [_cut(item, levels - 1) for item in value]


@given(_DOCUMENTS, st.integers(0, 6), st.booleans())
def test_only_what_is_below_the_depth_is_cut(document: Any, depth: int, escape: bool) -> None:
    text = json.dumps(document, ensure_ascii=escape).encode()
    assert json.loads(prune(text, depth)) == _cut(document, depth)


def test_a_depth_of_thousands() -> None:
    deep = b'{"a":1,"not":' * 9000 + b"{}" + b"}" * 9000
    pruned = json.loads(prune(b'[{"b":2},' + deep + b',{"c":3}]', 50))
    assert pruned[0] == {"b": 2}
    assert pruned[2] == {"c": 3}
