"""The incremental engine: events of a cluster in, states of topics out.

    events ──> objects (filed in tables) ──> derived values ──> views ──> topics

Everything right of the objects exists only while somebody follows it, and only what a change
touches is computed again. Everything is a function of the objects alone: whatever the order of
events, the states are those of a rebuild from scratch.

A service says how it files objects of its kinds (`Objects`), what lies between objects and views
if anything does (`Derived`), and what clients may follow (`View`); complaints about objects are
logged and counted (`Complaints`).
"""

from linkerd.index.complaints import Complaints, Tally
from linkerd.index.context import Context
from linkerd.index.dependencies import NOTHING, Dependencies, Dependent, Subject
from linkerd.index.derived import Derived, Watch
from linkerd.index.index import Index
from linkerd.index.objects import Objects, Taker
from linkerd.index.pace import AtOnce, LoopPace, Pace
from linkerd.index.views import EndedError, Owner, TopicView, UnclearError, View

__all__ = [
    "NOTHING",
    "AtOnce",
    "Complaints",
    "Context",
    "Dependencies",
    "Dependent",
    "Derived",
    "EndedError",
    "Index",
    "LoopPace",
    "Objects",
    "Owner",
    "Pace",
    "Subject",
    "Taker",
    "Tally",
    "TopicView",
    "UnclearError",
    "View",
    "Watch",
]
