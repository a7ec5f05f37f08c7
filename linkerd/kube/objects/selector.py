"""Label selectors of resources that choose workloads.

A selector that is absent selects nothing and an empty one selects everything; absence is the
caller's to see (the field is then None).
"""

from collections.abc import Mapping

import msgspec

from linkerd.kube.objects.pool import EMPTY


class SelectorError(ValueError):
    """The selector says something that has no meaning, for instance an unknown operator."""


class Requirement(msgspec.Struct, frozen=True, gc=False):
    """One line of `matchExpressions`; `values` is None when absent, which policy tells from empty
    ones."""

    key: str
    operator: str
    values: tuple[str, ...] | None = None

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether the labels meet it. An absent label meets NotIn, as everywhere in Kubernetes."""
        match self.operator:
            case "In":
                return labels.get(self.key) in self._some_values()
            case "NotIn":
                return labels.get(self.key) not in self._some_values()
            case "Exists":
                return self.key in labels
            case "DoesNotExist":
                return self.key not in labels
        raise SelectorError(f"operator {self.operator!r} of key {self.key!r} is unknown")

    def _some_values(self) -> tuple[str, ...]:
        if not self.values:
            raise SelectorError(f"operator {self.operator!r} of key {self.key!r} has no values")
        return self.values


class LabelSelector(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """All of `match_labels` and all of `match_expressions`."""

    match_labels: Mapping[str, str] = EMPTY
    match_expressions: tuple[Requirement, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether the labels are selected. Raises SelectorError for a senseless selector, whatever
        the labels."""
        expressions = [requirement.matches(labels) for requirement in self.match_expressions]
        return all(expressions) and all(
            labels.get(key) == value for key, value in self.match_labels.items()
        )
