"""Ports as annotations of policy list them, which take no names: `25,80-90`."""

from linkerd.mesh.ports import NO_PORTS, PortSet, parse_ports


def parse_port_set(text: str) -> PortSet:
    """The ports that `text` lists, none when it is empty. Raises ValueError, which names the item
    that is neither a port nor a range of ports."""
    if not text:
        return NO_PORTS
    ports, invalid = parse_ports(text)
    if invalid:
        wrong = invalid[0]
    elif text.rstrip().endswith(","):
        wrong = ""
    elif 0 in ports:
        wrong = "0"
    else:
        return ports
    raise ValueError(f"{wrong[:64]!r} is neither a port (1 to 65535) nor a range of ports")
