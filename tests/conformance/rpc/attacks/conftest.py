"""The engines by name: here servers run in processes of their own, as in production."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from typing import Any

import pytest

from linkerd.rpc.engines import ENGINES
from tests.support.attacks import trial
from tests.support.attacks.trial import Target

Serving = Callable[..., Target]


@pytest.fixture(params=list(ENGINES))
def engine(request: pytest.FixtureRequest) -> str:
    """Each engine in turn."""
    name: str = request.param
    return name


@pytest.fixture
def serving(engine: str) -> Iterator[Serving]:
    """Starts a server with the given options; it ends with the test."""
    with ExitStack() as servers:

        def start(**options: Any) -> Target:
            server: AbstractContextManager[Target] = trial.serving(engine, **options)
            return servers.enter_context(server)

        yield start


@pytest.fixture
def server(serving: Serving) -> Target:
    """A server with the default options."""
    return serving()
