"""Which labels a selector of a policy object chooses.

An expression that makes no sense matches nothing, so that nothing is selected by mistake: `In` and
`NotIn` need `values`, be they empty, and `Exists` and `DoesNotExist` must not have any.
"""

from collections.abc import Mapping

from linkerd.kube.objects import LabelSelector, Requirement


def selects(selector: LabelSelector, labels: Mapping[str, str]) -> bool:
    """Whether all that `selector` says holds; one that says nothing selects everything."""
    return all(labels.get(key) == value for key, value in selector.match_labels.items()) and all(
        _holds(requirement, labels) for requirement in selector.match_expressions
    )


def _holds(requirement: Requirement, labels: Mapping[str, str]) -> bool:
    found, values = labels.get(requirement.key), requirement.values
    if values is None:
        match requirement.operator:
            case "Exists":
                return found is not None
            case "DoesNotExist":
                return found is None
        return False
    match requirement.operator:
        case "In":
            return found in values
        case "NotIn":
            return found not in values
    return False
