"""IPs and sockets as messages, and back."""

from socket import AF_INET, AF_INET6, inet_ntop, inet_pton

from linkerd.mesh.addresses import is_ipv6
from linkerd.stubs.proxy import net_pb2


def ip_message(ip: str) -> net_pb2.IPAddress:
    """IPv4 as one big-endian number, IPv6 as two halves. The IP must be a literal."""
    if is_ipv6(ip):
        packed = inet_pton(AF_INET6, ip)
        first, last = int.from_bytes(packed[:8]), int.from_bytes(packed[8:])
        return net_pb2.IPAddress(ipv6=net_pb2.IPv6(first=first, last=last))
    return net_pb2.IPAddress(ipv4=int.from_bytes(inet_pton(AF_INET, ip)))


def tcp_address(ip: str, port: int) -> net_pb2.TcpAddress:
    """The socket. The IP must be a literal."""
    return net_pb2.TcpAddress(ip=ip_message(ip), port=port)


def ip_text(message: net_pb2.IPAddress) -> str:
    """The IP in canonical spelling; one that is not set reads as 0.0.0.0."""
    if message.HasField("ipv6"):
        halves = message.ipv6
        return inet_ntop(AF_INET6, (halves.first << 64 | halves.last).to_bytes(16))
    return inet_ntop(AF_INET, message.ipv4.to_bytes(4))
