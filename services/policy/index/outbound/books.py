"""What is derived for outbound answers, while somebody follows one."""

from collections.abc import Mapping
from typing import Any

from linkerd.index import Complaints, Dependencies, Derived
from services.policy.index.outbound import subjects as on
from services.policy.index.outbound.filing import OutboundTables
from services.policy.index.outbound.policies import PolicyBook
from services.policy.index.outbound.settings import Settings, SettingsBook
from services.policy.model.mesh_settings import MeshSettings
from services.policy.model.outbound import OutboundPolicy


class OutboundBooks:
    """Policies, and what parents say, of which they are made."""

    def __init__(
        self,
        mesh: MeshSettings,
        tables: OutboundTables,
        dependencies: Dependencies,
        complaints: Complaints,
    ) -> None:
        settings = SettingsBook(mesh, tables, complaints)
        self.settings: Derived[Settings] = Derived(settings.derive, dependencies, complaints)
        policies = PolicyBook(mesh, tables, self.settings, complaints)
        self.policies: Derived[OutboundPolicy] = Derived(policies.derive, dependencies, complaints)

    def by_subject(self) -> Mapping[str, Derived[Any]]:
        """By the first word of their subjects."""
        return {on.SETTINGS: self.settings, on.POLICY: self.policies}
