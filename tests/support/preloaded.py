"""What forked programs need, imported before the fork, once for all of them.

grpc as well: importing it starts no thread, and its core only begins with the first channel or
server.
"""

import gc
import importlib
from typing import Final

_MODULES: Final = (
    "services.destination.app",
    "services.heartbeat.app",
    "services.identity.app",
    "services.policy.app",
    "linkerd.cli.check",
    "linkerd.cli.identity",
    "linkerd.cli.profile",
    "linkerd.cli.version",
    "linkerd.cli._control_plane",
    "linkerd.cli._endpoints",
    "tests.support.attacks.attacker",
    "tests.support.attacks.bystander",
    "tests.support.attacks.target",
    "tests.support.webhooks.toys",
    "kubernetes_asyncio.client",
    "kubernetes_asyncio.config",
    "pytest",
)

for module in _MODULES:
    importlib.import_module(module)
gc.freeze()  # a collection in a fork would write to every page of it, and so copy them
