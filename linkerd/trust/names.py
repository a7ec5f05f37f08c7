"""Name constraints: for which names an authority may have certificates signed.

Proxies obey those on DNS names, and refuse whatever stands below one on directory names. Kinds that
only the alternative names of an authority could break are held to be broken by them.
"""

from collections.abc import Iterable, Sequence

from cryptography import x509

from linkerd.trust.facts import Facts


def constraints(facts: Facts, below: Sequence[Facts], identity: str) -> str | None:
    """What keeps `facts` from having a leaf for `identity` below it, and the authorities between
    the two; None: nothing."""
    limits = facts.extension(x509.NameConstraints)
    if limits is None:
        return None
    permitted, excluded = limits.permitted_subtrees or (), limits.excluded_subtrees or ()
    named = [name for each in below for name in each.names()]
    others = {type(limit) for limit in (*permitted, *excluded)} - {x509.DNSName}
    if x509.DirectoryName in others or others & {type(name) for name in named}:
        return "has name constraints of a kind that proxies do not know: constrain DNS names alone"
    names = [identity, *(name.value for name in named if isinstance(name, x509.DNSName))]
    allowed, forbidden = list(_dns(permitted)), list(_dns(excluded))
    refused = [
        name
        for name in names
        if (allowed and not _within_any(name, allowed)) or _within_any(name, forbidden)
    ]
    return _refusal(refused[0]) if refused else None


def _refusal(name: str) -> str:
    return f"does not allow the name {name} (its name constraints): allow the trust domain"


def _dns(subtrees: Iterable[x509.GeneralName]) -> Iterable[str]:
    return (subtree.value for subtree in subtrees if isinstance(subtree, x509.DNSName))


def _within_any(name: str, domains: Iterable[str]) -> bool:
    return any(_within(name.lower(), domain.lower()) for domain in domains)


def _within(name: str, domain: str) -> bool:
    """A domain holds itself and all below it; one with a leading dot only what is below."""
    if domain.startswith("."):
        return name.endswith(domain)
    return not domain or name == domain or name.endswith(f".{domain}")
