"""The dataset: counts, unique names and addresses, slices that fit their pods."""

from collections import Counter

from bench import dataset
from bench.dataset import DEFAULT, Item, Shape

SMALL = Shape(namespaces=2, services_per_namespace=3, pods_per_service=4, nodes=5, fans=(5, 12))


def _of(items: list[Item], plural: str) -> list[Item]:
    return [item for item in items if item.path.endswith(f"/{plural}")]


def test_the_default_is_what_the_goals_speak_of() -> None:
    assert (DEFAULT.services, DEFAULT.pods) == (1000, 10_000)
    kinds = Counter(item.path.rsplit("/", 1)[1] for item in dataset.second_wave(DEFAULT))
    assert kinds == {
        "services": 1003,
        "replicasets": 1000,
        "endpointslices": 1000 + 1 + 1 + 10,
        "pods": 10_000,
    }


def test_nothing_is_named_twice() -> None:
    names = Counter((item.path, item.name) for item in dataset.second_wave(DEFAULT))
    assert max(names.values()) == 1


def test_every_endpoint_is_a_pod_of_its_namespace_with_that_address() -> None:
    items = list(dataset.second_wave(SMALL))
    pods = {(pod.path.split("/")[4], pod.name): pod for pod in _of(items, "pods")}
    addresses = [pod.status["podIP"] for pod in pods.values() if pod.status]
    assert len(set(addresses)) == SMALL.pods
    for item in _of(items, "endpointslices"):
        for endpoint in item.body["endpoints"]:
            target = endpoint["targetRef"]
            assert item.path.split("/")[5] == target["namespace"]
            pod = pods[target["namespace"], target["name"]]
            assert pod.status is not None
            assert endpoint["addresses"] == [pod.status["podIP"]]
            assert endpoint["nodeName"] == pod.body["spec"]["nodeName"]


def test_a_fan_has_as_many_endpoints_as_its_name_says() -> None:
    items = _of(list(dataset.second_wave(SMALL)), "endpointslices")
    for endpoints in SMALL.fans:
        label = dataset.fan(endpoints)
        slices = [
            item
            for item in items
            if item.body["metadata"]["labels"]["kubernetes.io/service-name"] == label
        ]
        assert sum(len(item.body["endpoints"]) for item in slices) == endpoints


def test_another_shape_has_another_digest() -> None:
    assert SMALL.digest != DEFAULT.digest
    assert Shape().digest == DEFAULT.digest
