"""What one part of the index files of the objects."""

from collections.abc import Mapping

from linkerd.index import Taker
from services.policy.index.kinds import Kind


class Tables:
    """A subclass has tables, which are dictionaries among its attributes, and a taker for each kind
    that it files. Readers take the tables as they are and never write to them."""

    def takers(self) -> Mapping[Kind, Taker]:
        """How objects of each kind are filed."""
        raise NotImplementedError

    def __len__(self) -> int:
        """How much is filed."""
        return sum(len(table) for table in vars(self).values() if isinstance(table, dict))
