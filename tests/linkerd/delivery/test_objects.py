"""Rendered manifests, read."""

import pytest
import yaml

from linkerd.delivery.objects import objects_of


def test_objects_in_their_order_without_empty_documents() -> None:
    assert objects_of("a: 1\n---\n---\n# nothing\n---\nb: [true, null]\n") == [
        {"a": 1},
        {"b": [True, None]},
    ]
    assert objects_of("") == []


@pytest.mark.parametrize("text", ["a: [", "a: !!python/object/apply:os.getcwd []"])
def test_what_is_no_plain_yaml_is_an_error(text: str) -> None:
    with pytest.raises(yaml.YAMLError):
        objects_of(text)
