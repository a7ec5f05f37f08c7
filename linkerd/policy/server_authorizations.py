"""ServerAuthorizations: who may call the Servers that a name or a selector chooses."""

from dataclasses import dataclass

from linkerd.kube.objects import LabelSelector
from linkerd.policy.authorizations import Authorization


@dataclass(frozen=True, slots=True)
class ServerAuthorizationPolicy:
    """`server` is a Server's name, or a selector of Servers' labels."""

    server: str | LabelSelector
    authorization: Authorization
