"""What a Secret says of a linked cluster. Id of the catalogue: T156."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkerd.kube.objects import Secret
from linkerd.mesh.labels import LINKED_CLUSTER_DOMAIN, LINKED_CLUSTER_NAME, LINKED_TRUST_DOMAIN
from services.destination.clusters.links import Link, LinkError, link_of
from tests.support.objects import meta

LABELS = {LINKED_CLUSTER_NAME: "north"}
ANNOTATIONS = {LINKED_TRUST_DOMAIN: "trust.north.test", LINKED_CLUSTER_DOMAIN: "north.test"}
TYPE = "mirror.linkerd.io/remote-kubeconfig"


def secret(
    labels: Any = LABELS,
    annotations: Any = ANNOTATIONS,
    type: str = TYPE,  # noqa: A002  # Kubernetes' name
    **data: bytes,
) -> Secret:
    metadata = meta("cluster-credentials-north", "linkerd", labels=labels, annotations=annotations)
    return Secret(metadata, type, data or {"kubeconfig": b"s3cret"})


def without(annotation: str) -> dict[str, str]:
    return {name: value for name, value in ANNOTATIONS.items() if name != annotation}


def test_a_link() -> None:
    link = link_of(secret())
    assert link == Link("north", "trust.north.test", "north.test", b"s3cret")
    assert "s3cret" not in repr(link)


@pytest.mark.parametrize("other", [secret(labels={}), secret(type="Opaque")])
def test_t156_secrets_of_another_kind_make_no_link(other: Secret) -> None:
    assert link_of(other) is None


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (secret(annotations=without(LINKED_TRUST_DOMAIN)), "trust-domain is missing"),
        (secret(annotations=without(LINKED_CLUSTER_DOMAIN)), "cluster-domain is missing"),
        (secret(annotations=ANNOTATIONS | {LINKED_CLUSTER_DOMAIN: "a b"}), "is no DNS name"),
        (secret(config=b"s3cret"), "kubeconfig is missing"),
        (secret(kubeconfig=b""), "kubeconfig is missing"),
        (secret(labels={LINKED_CLUSTER_NAME: ""}), "is empty"),
    ],
)
def test_t156_a_secret_that_lacks_something_is_refused(broken: Secret, message: str) -> None:
    with pytest.raises(LinkError, match=message) as caught:
        link_of(broken)
    assert "s3cret" not in str(caught.value)


TEXTS = st.text(max_size=20)


@given(
    st.dictionaries(st.sampled_from([LINKED_CLUSTER_NAME]), TEXTS),
    st.dictionaries(st.sampled_from([LINKED_TRUST_DOMAIN, LINKED_CLUSTER_DOMAIN]), TEXTS),
    st.dictionaries(st.just("kubeconfig"), st.binary(max_size=20)),
    st.sampled_from([TYPE, "Opaque", ""]),
)
def test_any_secret_makes_a_link_or_none_or_is_refused(
    labels: Any, annotations: Any, data: Any, kind: str
) -> None:
    try:
        link = link_of(
            Secret(meta("s", "linkerd", labels=labels, annotations=annotations), kind, data)
        )
    except LinkError:
        return
    assert link is None or replace(link) == link
