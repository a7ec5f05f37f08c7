"""The bench of scale, small; it fails if the index does not know all that it was told."""

from bench import scale
from bench.dataset import Shape


async def test_a_small_run() -> None:
    shape = Shape(namespaces=1, services_per_namespace=40, pods_per_service=15, nodes=3, fans=())
    ready, memory = await scale.run(shape)
    assert (ready.name, memory.name) == ("scale_ready_s", "scale_bytes_per_pod")
    assert 0 < ready.value < 30
    assert memory.at["pods"] == 600
