"""IPs and sockets as messages, and back."""

from hypothesis import given
from hypothesis import strategies as st

from linkerd.mesh.addresses import canonical_ip
from linkerd.stubs.proxy import net_pb2
from linkerd.wire.net import ip_text, tcp_address
from tests.support.proxy_rules import socket_of

IPS = st.ip_addresses().map(str)


@given(IPS, st.integers(1, 65535))
def test_t198_addresses_come_back(ip: str, port: int) -> None:
    message = tcp_address(ip, port)
    assert socket_of(message) == (ip, port)
    assert (ip_text(message.ip), message.port) == (canonical_ip(ip), port)


def test_t198_ipv6_goes_as_two_halves_and_a_mapped_one_stays_ipv6() -> None:
    ipv6 = tcp_address("fd00::20", 1).ip.ipv6
    assert (ipv6.first, ipv6.last) == (0xFD00 << 48, 0x20)
    mapped = tcp_address("::ffff:1.2.3.4", 1).ip
    assert mapped.ipv6.last == 0xFFFF_0102_0304
    assert ip_text(mapped) == "::ffff:1.2.3.4"
    assert tcp_address("1.2.3.4", 1).ip.ipv4 == 0x0102_0304


def test_an_ip_that_is_not_set_reads_as_the_unspecified_one() -> None:
    assert ip_text(net_pb2.IPAddress()) == "0.0.0.0"
