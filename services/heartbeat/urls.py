"""The two addresses that the job takes. Parsers for settings: their first line says what is taken.

A Prometheus may ask for a user name and password, which go before an `@`. The endpoint may not:
beside the listed parameters nothing is sent there, so its address has no query of its own either.
"""

from yarl import URL


def parse_prometheus_url(text: str) -> URL:
    """an http or https URL without a query, such as http://prometheus.monitoring:9090"""
    url = _parse(text)
    if url.query_string or url.fragment:
        raise ValueError("it has a query or a fragment")
    return url


def parse_endpoint_url(text: str) -> URL:
    """an http or https URL without user name, password or query"""
    url = parse_prometheus_url(text)
    if url.user is not None or url.password is not None:
        raise ValueError("it has a user name or a password")
    return url


def _parse(text: str) -> URL:
    url = URL(text)
    if url.scheme not in {"http", "https"}:
        raise ValueError("it does not begin with http:// or https://")
    if not url.host:
        raise ValueError("it names no host")
    return url
