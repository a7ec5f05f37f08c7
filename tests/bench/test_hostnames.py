"""The bench of hostnames, small; it fails if the follower hears anything else than it should."""

from bench import hostnames


def test_one_change_is_heard_by_the_one_whom_it_concerns() -> None:
    (figure,) = hostnames.run(streams=50, endpoints=30, count=2)
    assert figure.name == "hostnames_change_ms"
    assert figure.value > 0
    assert figure.at == {"streams": 50, "endpoints": 30, "changes": 4}
