"""What can change, as the index names it. Conventionally imported as `on`."""

from linkerd.index import Subject


def pod(namespace: str, name: str) -> Subject:
    """A pod as an object."""
    return "pod", namespace, name


def workload(namespace: str, name: str) -> Subject:
    """An ExternalWorkload as an object."""
    return "workload", namespace, name


def facts(kind: str, namespace: str, name: str) -> Subject:
    """What a pod or ExternalWorkload is to the mesh."""
    return "facts", kind, namespace, name


def owner(kind: str, namespace: str, name: str) -> Subject:
    """The owner of a ReplicaSet or Job."""
    return "owner", kind, namespace, name


def service(namespace: str, name: str) -> Subject:
    """A service as an object."""
    return "service", namespace, name


def slices(namespace: str, service_name: str) -> Subject:
    """The slices of a service."""
    return "slices", namespace, service_name


def instance(namespace: str, service_name: str, hostname: str) -> Subject:
    """Which pod a service knows by a hostname."""
    return "instance", namespace, service_name, hostname


def splits(namespace: str, service_name: str) -> Subject:
    """The TrafficSplits of a service."""
    return "splits", namespace, service_name


def servers(namespace: str) -> Subject:
    """The Servers of a namespace that make ports opaque."""
    return "servers", namespace


def profile(namespace: str, name: str) -> Subject:
    """A ServiceProfile."""
    return "profile", namespace, name


def node(name: str) -> Subject:
    """The zone of a node."""
    return "node", name


def cluster(name: str) -> Subject:
    """A linked cluster: whether it is known, and read anew."""
    return "cluster", name


def ip(address: str) -> Subject:
    """Which services and pods have an IP."""
    return "ip", address


def socket(address: str, port: int) -> Subject:
    """Which pods have a port of their node, and which ExternalWorkloads one of their own."""
    return "socket", address, str(port)
