"""Pages that let people look into the index: what is followed, and why an answer is as it is.

Nothing here decides anything: answers are had as a stream has them, by following and leaving, and
reasons come from the code that leaves endpoints out. A request leaves nothing behind.
"""

from services.destination.debug.ages import ages_of
from services.destination.debug.pages import DebugPages

__all__ = ["DebugPages", "ages_of"]
