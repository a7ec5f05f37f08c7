"""Services that stand for others: of linked clusters, and of several at once. Ids of the catalogue:
T11, T94 to T98."""

import pytest
from structlog.testing import capture_logs

from linkerd.mesh.labels import LOCAL_DISCOVERY, REMOTE_DISCOVERY, REMOTE_SERVICE
from services.destination.index import Kind, MislabelledError, NotFoundError, NotReadError
from tests.support.destination.world import LinkedWorld, World
from tests.support.objects import endpoint, endpoint_slice, node, pod, service

MIRROR = "ledger-north.fin.svc.mesh.test:8080"
FEDERATED = "ledger-federated.fin.svc.mesh.test:8080"


def there(world: World, name: str, ip: str, *, link: bool = True) -> LinkedWorld:
    """A linked cluster with one pod of fin/ledger."""
    cluster = world.cluster(name)
    cluster.apply(
        service("ledger"),
        pod("p", "fin", ip, account="sa"),
        endpoint_slice("s", "ledger", endpoint(ip, pod="p", zone="z1")),
    )
    if link:
        cluster.link()
    return cluster


def mirror(**labels: str) -> object:
    marks = {REMOTE_DISCOVERY: "north", REMOTE_SERVICE: "ledger"} | labels
    return service("ledger-north", labels={k: v for k, v in marks.items() if v})


def federated(remote: str | None = None, local: str | None = None) -> object:
    marks = {REMOTE_DISCOVERY: remote, LOCAL_DISCOVERY: local}
    annotations = {name: value for name, value in marks.items() if value is not None}
    return service("ledger-federated", annotations=annotations)


def here(world: World, ip: str = "10.4.0.1") -> None:
    world.apply(
        service("ledger"),
        pod("p", "fin", ip),
        endpoint_slice("s", "ledger", endpoint(ip, pod="p", zone="z1")),
    )


class TestRemoteDiscovery:
    def test_t11_endpoints_and_identities_are_those_of_the_other_cluster(self) -> None:
        world = World()
        world.apply(mirror())
        there(world, "north", "10.90.0.3")
        stream = world.get(MIRROR)
        assert stream.read() == ["add 10.90.0.3:8080"]
        address = stream.address("10.90.0.3:8080")
        name = "sa.fin.serviceaccount.identity.linkerd.trust.north.test"
        assert address.tls_identity.dns_like_identity.name == name
        assert stream.reader.labels == {"namespace": "fin", "service": "ledger"}

    def test_changes_there_are_heard_here(self) -> None:
        world = World()
        world.apply(mirror())
        north = there(world, "north", "10.90.0.3")
        stream = world.get(MIRROR)
        stream.read()
        north.apply(pod("q", "fin", "10.90.0.4"))
        north.apply(endpoint_slice("s", "ledger", endpoint("10.90.0.4", pod="q")))
        assert stream.read() == ["add 10.90.0.4:8080", "remove 10.90.0.3:8080"]
        north.delete(service("ledger"))
        assert stream.read() == ["remove 10.90.0.4:8080"]

    def test_objects_of_one_name_here_and_there_are_two(self) -> None:
        world = World()
        world.apply(mirror())
        here(world)
        there(world, "north", "10.90.0.3")
        stream, ours = world.get(MIRROR), world.get("ledger.fin.svc.mesh.test:8080")
        assert stream.read() == ["add 10.90.0.3:8080"]
        assert ours.read() == ["add 10.4.0.1:8080"]
        world.delete(pod("p", "fin", "10.4.0.1"))
        assert (stream.read(), ours.read()) == ([], ["remove 10.4.0.1:8080"])

    def test_zones_and_nodes_there_do_not_hold_endpoints_back(self) -> None:
        world = World()
        world.apply(node("n1", "z1"), kind=Kind.NODE)
        world.apply(mirror())
        north = there(world, "north", "10.90.0.3")
        north.apply(service("ledger", local=True))
        hinted = [endpoint(f"10.90.0.{n}", zone=f"z{n}", hints=[f"z{n}"]) for n in (1, 2)]
        north.apply(endpoint_slice("s", "ledger", *hinted))
        assert world.get(MIRROR, node="n1").read() == ["add 10.90.0.1:8080 10.90.0.2:8080"]

    def test_an_unknown_cluster_is_not_found_and_an_unread_one_is_waited_for(self) -> None:
        world = World()
        world.apply(mirror())
        with pytest.raises(NotFoundError, match="'north', which is not linked"):
            world.get(MIRROR)
        world.index.clusters.announce("north")
        with pytest.raises(NotReadError, match="not been read yet"):
            world.get(MIRROR)
        there(world, "north", "10.90.0.3")
        assert world.get(MIRROR).read() == ["add 10.90.0.3:8080"]

    @pytest.mark.parametrize("absent", [{REMOTE_SERVICE: ""}, {REMOTE_DISCOVERY: ""}])
    def test_without_a_name_there_it_can_never_be_answered(self, absent: dict[str, str]) -> None:
        world = World()
        there(world, "north", "10.90.0.3")
        whole = {REMOTE_DISCOVERY: "north", REMOTE_SERVICE: "ledger"}
        labels = whole | dict.fromkeys(absent, "")
        world.apply(service("ledger-north", labels=labels))
        with pytest.raises(MislabelledError, match="do not say which"):
            world.get(MIRROR)

    def test_labels_that_come_and_go_under_a_stream(self) -> None:
        world = World()
        world.apply(mirror())
        there(world, "north", "10.90.0.3")
        there(world, "south", "10.91.0.3")
        stream = world.get(MIRROR)
        stream.read()
        world.apply(mirror(**{REMOTE_DISCOVERY: "south"}))
        assert stream.read() == ["add 10.91.0.3:8080", "remove 10.90.0.3:8080"]
        world.apply(service("ledger-north"))
        assert stream.read() == ["remove 10.91.0.3:8080"]
        with capture_logs() as logs:
            world.apply(service("ledger-north", labels={REMOTE_DISCOVERY: "north"}))
        assert [log["event"] for log in logs] == ["object is malformed"]
        world.apply(mirror())
        assert stream.read() == ["add 10.90.0.3:8080"]

    def test_a_cluster_that_is_read_anew_tells_only_what_differs(self) -> None:
        world = World()
        world.apply(mirror())
        there(world, "north", "10.90.0.3")
        stream = world.get(MIRROR)
        stream.read()
        there(world, "north", "10.90.0.3")
        assert stream.read() == []
        there(world, "north", "10.90.0.4")
        assert stream.read() == ["add 10.90.0.4:8080", "remove 10.90.0.3:8080"]

    def test_a_cluster_that_is_unlinked_is_let_go_of(self) -> None:
        world = World()
        world.apply(mirror())
        north = there(world, "north", "10.90.0.3")
        stream = world.get(MIRROR)
        stream.read()
        world.index.unlink("north")
        assert stream.read() == ["remove 10.90.0.3:8080"]
        assert (len(north.context.dependencies), len(north.context.facts)) == (0, 0)
        north.apply(pod("q", "fin", "10.90.0.4"))
        assert stream.read() == []

    def test_nothing_stays_when_the_last_stream_closes(self) -> None:
        world = World()
        world.apply(mirror())
        north = there(world, "north", "10.90.0.3")
        stream = world.get(MIRROR)
        stream.read()
        stream.subscription.close()
        left = [len(c.dependencies) + len(c.facts) for c in (world.index.home, north.context)]
        assert (left, len(world.index.views)) == ([0, 0], 0)


class TestFederated:
    def test_t94_one_add_with_all_members(self) -> None:
        world = World()
        here(world)
        there(world, "north", "10.90.0.3")
        world.apply(federated("ledger@north", "ledger"))
        assert world.get(FEDERATED).read() == ["add 10.4.0.1:8080 10.90.0.3:8080"]

    def test_t95_to_t97_members_come_and_go(self) -> None:
        world = World()
        here(world)
        there(world, "north", "10.90.0.3")
        there(world, "south", "10.91.0.3")
        world.apply(federated("ledger@north", "ledger"))
        stream = world.get(FEDERATED)
        stream.read()
        world.apply(federated("ledger@north,ledger@south", "ledger"))
        assert stream.read() == ["add 10.91.0.3:8080"]
        world.apply(federated("ledger@south", "ledger"))
        assert stream.read() == ["remove 10.90.0.3:8080"]
        world.apply(federated("ledger@south"))
        assert stream.read() == ["remove 10.4.0.1:8080"]
        world.apply(federated("ledger@south", "ledger"))
        assert stream.read() == ["add 10.4.0.1:8080"]

    def test_each_member_has_its_own_identities_and_labels(self) -> None:
        world = World()
        here(world)
        there(world, "north", "10.90.0.3")
        world.apply(federated("ledger@north", "ledger"))
        stream = world.get(FEDERATED)
        stream.read()
        names = {
            socket: stream.address(socket).tls_identity.dns_like_identity.name
            for socket in stream.sockets
        }
        assert names == {
            "10.4.0.1:8080": "default.fin.serviceaccount.identity.linkerd.trust.mesh.test",
            "10.90.0.3:8080": "sa.fin.serviceaccount.identity.linkerd.trust.north.test",
        }

    def test_a_member_whose_cluster_is_linked_later_joins_then(self) -> None:
        world = World()
        here(world)
        world.apply(federated("ledger@north", "ledger"))
        stream = world.get(FEDERATED)
        assert stream.read() == ["add 10.4.0.1:8080"]
        there(world, "north", "10.90.0.3")
        assert stream.read() == ["add 10.90.0.3:8080"]

    def test_what_is_no_member_is_reported_and_skipped(self) -> None:
        world = World()
        there(world, "north", "10.90.0.3")
        with capture_logs() as logs:
            world.apply(federated(" ledger@north , ledger, a@b@c, @north, ledger@ ,,"))
            stream = world.get(FEDERATED)
        assert stream.read() == ["add 10.90.0.3:8080"]
        assert "SERVICE@CLUSTER" in logs[0]["error"]

    def test_nobody_is_told_once_when_all_members_are_empty(self) -> None:
        world = World()
        world.apply(federated("", ""))
        stream = world.get(FEDERATED)
        assert stream.read() == ["no_endpoints"]
        here(world)
        world.apply(federated("", "ledger"))
        assert stream.read() == ["add 10.4.0.1:8080"]

    def test_the_service_goes_and_comes_back(self) -> None:
        world = World()
        here(world)
        there(world, "north", "10.90.0.3")
        whole = federated("ledger@north", "ledger")
        world.apply(whole)
        stream = world.get(FEDERATED)
        stream.read()
        world.delete(whole)
        assert stream.read() == ["remove 10.4.0.1:8080 10.90.0.3:8080"]
        world.apply(federated("ledger@north", "ledger"))
        assert len(stream.read()) == 2

    def test_a_socket_that_two_members_have_stays_while_one_has_it(self) -> None:
        world = World()
        there(world, "north", "10.90.0.3")
        south = there(world, "south", "10.90.0.3")
        world.apply(federated("ledger@north,ledger@south"))
        stream = world.get(FEDERATED)
        assert stream.read() == ["add 10.90.0.3:8080"]
        world.apply(federated("ledger@south"))
        assert stream.read() == ["add 10.90.0.3:8080"]  # as south describes it
        south.apply(endpoint_slice("s", "ledger"))
        assert stream.read() == ["remove 10.90.0.3:8080"]

    def test_a_socket_that_another_member_describes_alike_is_not_told_again(self) -> None:
        world = World()
        for name in ("north", "south"):
            member = world.cluster(name)
            member.apply(service("ledger"), endpoint_slice("s", "ledger", endpoint("10.90.0.3")))
            member.link()
        world.apply(federated("ledger@north,ledger@south"))
        stream = world.get(FEDERATED)
        assert stream.read() == ["add 10.90.0.3:8080"]
        world.apply(federated("ledger@south"))
        assert stream.read() == []
        world.apply(federated(""))
        assert stream.read() == ["remove 10.90.0.3:8080"]

    def test_t98_a_stream_that_was_closed_hears_no_member(self) -> None:
        world = World()
        here(world)
        north = there(world, "north", "10.90.0.3")
        world.apply(federated("ledger@north", "ledger"))
        stream = world.get(FEDERATED)
        stream.read()
        stream.subscription.close()
        here(world, "10.4.0.2")
        north.apply(endpoint_slice("s", "ledger"))
        world.index.unlink("north")
        assert (stream.read(), stream.wakes) == ([], 0)
        left = [len(c.dependencies) + len(c.facts) for c in (world.index.home, north.context)]
        assert (left, len(world.index.views)) == ([0, 0], 0)
