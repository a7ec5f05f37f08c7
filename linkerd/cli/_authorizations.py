"""Which authorizations concern workloads: those of the Servers that select them."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, NamedTuple

from linkerd.kube.objects import (
    AuthorizationPolicy,
    LabelSelector,
    Server,
    ServerAuthorization,
)
from linkerd.kube.objects.selector import SelectorError
from linkerd.mesh.control_plane import NAMESPACE as CONTROL_PLANE
from linkerd.mesh.names import DEFAULT_DOMAIN, IdentityDomain
from linkerd.policy.authorization_policies import judge_authorization_policy
from linkerd.policy.errors import PolicyError
from linkerd.policy.parents import parents
from linkerd.policy.references import NAMESPACE, SERVER, GroupKind
from linkerd.policy.server_authorizations import judge_server_authorization

_DOMAIN: Final = IdentityDomain(CONTROL_PLANE, DEFAULT_DOMAIN)  # identities are not shown

Labels = Mapping[str, str]


class Row(NamedTuple):
    """One authorization of a Server; `route` is empty where it is for all requests."""

    route: str
    server: str
    authorization_policy: str = ""
    server_authorization: str = ""


@dataclass(frozen=True, slots=True)
class Objects:
    """What there is in one namespace; routes by their kinds."""

    servers: Sequence[Server]
    server_authorizations: Sequence[ServerAuthorization]
    authorization_policies: Sequence[AuthorizationPolicy]
    routes: Mapping[GroupKind, Sequence[Any]]


def authorizations(objects: Objects, workloads: Sequence[Labels]) -> tuple[list[Row], list[str]]:
    """What authorizes clients of workloads with these labels, sorted; and why some do not count."""
    servers = [each for each in objects.servers if _selects(each, workloads)]
    judged: list[tuple[str, str, Callable[[], Iterator[Row]]]] = [
        *(
            ("serverauthorization", each.metadata.name, partial(_by_authorization, each, servers))
            for each in objects.server_authorizations
        ),
        *(
            ("authorizationpolicy", each.metadata.name, partial(_by_policy, each, servers, objects))
            for each in objects.authorization_policies
        ),
    ]
    rows: set[Row] = set()
    faults: list[str] = []
    for kind, name, found in judged:
        try:
            rows.update(found())
        except (PolicyError, SelectorError) as error:
            faults.append(f"{kind} {name} adds nothing: {error}")
    return sorted(rows), faults


def _selects(server: Server, workloads: Iterable[Labels]) -> bool:
    selector = server.spec.pod_selector
    try:
        return selector is not None and any(map(selector.matches, workloads))
    except SelectorError:
        return False


def _by_authorization(
    authorization: ServerAuthorization, servers: Sequence[Server]
) -> Iterator[Row]:
    chosen = judge_server_authorization(authorization, _DOMAIN).server
    for server in servers:
        if _is_chosen(server, chosen):
            yield Row("", server.metadata.name, server_authorization=authorization.metadata.name)


def _is_chosen(server: Server, chosen: str | LabelSelector) -> bool:
    if isinstance(chosen, LabelSelector):
        return chosen.matches(server.metadata.labels)
    return chosen == server.metadata.name


def _by_policy(
    policy: AuthorizationPolicy, servers: Sequence[Server], objects: Objects
) -> Iterator[Row]:
    target, name = judge_authorization_policy(policy, _DOMAIN).target, policy.metadata.name
    if target.kind == NAMESPACE:
        protected, route = {each.metadata.name for each in servers}, ""
    elif target.kind == SERVER:
        protected, route = {target.name}, ""
    else:
        protected, route = (
            _servers_of(objects.routes.get(target.kind, ()), target.name),
            target.name,
        )
    for server in servers:
        if server.metadata.name in protected:
            yield Row(route, server.metadata.name, name)


def _servers_of(routes: Iterable[Any], name: str) -> set[str]:
    """The Servers that the route of that name is attached to: all of them, or none when it names
    one in a way that Servers are not named."""
    named = [
        (parent, route.metadata.namespace)
        for route in routes
        if route.metadata.name == name
        for parent in parents(route.spec.parent_refs, route.metadata.namespace)
        if parent.kind == SERVER
    ]
    odd = [p for p, own in named if (p.namespace, p.port, p.section) != (own, None, None)]
    return set() if odd else {parent.name for parent, _ in named}
