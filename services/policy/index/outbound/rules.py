"""Routes as one parent's clients are told them: with its backends, timeouts and retries where the
route has none of its own."""

from dataclasses import dataclass
from typing import cast

from linkerd.policy.egress_networks import TrafficPolicy
from linkerd.policy.matches import GrpcMatch, HttpMatch, PathKind, PathMatch
from linkerd.policy.references import EGRESS_NETWORK
from linkerd.policy.retries import GrpcRetry, HttpRetry
from linkerd.policy.routes import CallSettings, ConnectionRule, GrpcRule, HttpRule, Route
from linkerd.policy.timeouts import Timeouts
from services.policy.index.outbound.backends import Backends
from services.policy.index.outbound.settings import Settings
from services.policy.index.outbound.targets import Parent
from services.policy.index.routes import JudgedRoute
from services.policy.model import outbound as model

_EVERY_PATH = HttpMatch(PathMatch(PathKind.PREFIX, "/"))


@dataclass(frozen=True, slots=True)
class Rules:
    """Of the routes of one parent. `weighing` are backends for requests and calls, of which
    failures may be weighed, `plain` are those for bytes. `request_headers` is whether clients may
    set timeouts and retries by headers."""

    parent: Parent
    settings: Settings
    weighing: Backends
    plain: Backends
    request_headers: bool

    def http(self, route: Route[HttpRule]) -> model.Route:
        """An HTTPRoute."""
        calls = cast("CallSettings", route.calls)
        return _route(
            route,
            *(
                model.Rule(
                    matches=rule.matches,
                    filters=rule.filters,
                    backends=self.weighing.of(rule.backends) or self.weighing.default(),
                    weighted=bool(rule.backends),
                    timeouts=self._timeouts(calls, rule),
                    retry=calls.retry or self.settings.http_retry,
                    request_headers=self.request_headers,
                )
                for rule in route.rules
            ),
        )

    def grpc(self, route: Route[GrpcRule]) -> model.Route:
        """A GRPCRoute."""
        calls = cast("CallSettings", route.calls)
        return _route(
            route,
            *(
                model.Rule(
                    matches=rule.matches,
                    filters=rule.filters,
                    backends=self.weighing.of(rule.backends) or self.weighing.default(),
                    weighted=bool(rule.backends),
                    timeouts=calls.timeouts or self.settings.timeouts,
                    retry=calls.retry or self.settings.grpc_retry,
                    request_headers=self.request_headers,
                )
                for rule in route.rules
            ),
        )

    def connections(self, route: Route[ConnectionRule]) -> model.Route:
        """A TLSRoute or a TCPRoute."""
        (rule,) = route.rules
        backends = self.plain.of(rule.backends) or self.plain.default()
        return _route(route, model.Rule(backends=backends, weighted=bool(rule.backends)))

    def _timeouts(self, calls: CallSettings, rule: HttpRule) -> Timeouts:
        own = calls.timeouts
        if own.request is None and rule.request_timeout is not None:
            own = Timeouts(rule.request_timeout, own.response, own.idle)
        return own or self.settings.timeouts

    def default_http(self) -> model.Route:
        """Of requests that no route takes."""
        name = self._name("http", "http")
        return self._default(name, self.weighing, _EVERY_PATH, self.settings.http_retry)

    def default_grpc(self) -> model.Route:
        """Of calls that no route takes, to an EgressNetwork."""
        name = self._name("grpc", "grpc")
        return self._default(name, self.weighing, GrpcMatch(), self.settings.grpc_retry)

    def default_tls(self) -> model.Route:
        """Of names that no route takes, to an EgressNetwork."""
        return self._default_stream(self._name("tls", "tls"))

    def default_stream(self) -> model.Route:
        """Of bytes that nobody looks at."""
        return self._default_stream(self._name("opaq", "tcp"))

    def _name(self, service: str, egress: str) -> str:
        if self.parent.kind != EGRESS_NETWORK:
            return service
        return f"{egress}-egress-{self.settings.traffic.value.lower()}"

    @property
    def _refusal(self) -> str:
        """Why what no route takes is refused, if it is."""
        is_egress = self.parent.kind == EGRESS_NETWORK
        denies = is_egress and self.settings.traffic is TrafficPolicy.DENY
        return model.NOT_ALLOWED if denies else ""

    def _default(
        self,
        name: str,
        backends: Backends,
        match: HttpMatch | GrpcMatch,
        retry: HttpRetry | GrpcRetry | None,
    ) -> model.Route:
        rule = model.Rule(
            matches=(match,),
            backends=backends.default(),
            refusal=self._refusal,
            timeouts=self.settings.timeouts,
            retry=retry,
        )
        return model.Route(name, (rule,))

    def _default_stream(self, name: str) -> model.Route:
        return model.Route(
            name, (model.Rule(backends=self.plain.default(), refusal=self._refusal),)
        )


def _route(route: JudgedRoute, *rules: model.Rule) -> model.Route:
    return model.Route(name_of(route), rules, route.hosts)


def name_of(route: JudgedRoute) -> model.ResourceName:
    """What proxies know the route by."""
    return model.ResourceName(route.kind.group, route.kind.kind, *route.key)
