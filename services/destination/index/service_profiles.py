"""ServiceProfiles, translated once for all who ask."""

from linkerd.index import Complaints
from linkerd.kube.objects import Key, ServiceProfile
from services.destination.index.objects import Objects
from services.destination.index.translation import ProfileError, translate
from services.destination.model.profile import DEFAULT_TRAFFIC
from services.destination.model.routes import Traffic


class ProfileBook:
    """What the ServiceProfiles that somebody asked about say."""

    def __init__(self, objects: Objects, complaints: Complaints) -> None:
        self._objects = objects
        self._complaints = complaints
        self._read: dict[Key, tuple[ServiceProfile, Traffic]] = {}

    def of(self, key: Key) -> Traffic | None:
        """What a ServiceProfile says, None if there is no such one. One that means nothing says
        what the absence of any says."""
        profile = self._objects.profiles.get(key)
        if profile is None:
            self._read.pop(key, None)
            self._complaints.forget("ServiceProfile", *key)
            return None
        read = self._read.get(key)
        if read is None or read[0] is not profile:
            read = self._read[key] = profile, self._translate(profile)
        return read[1]

    def drop(self, key: Key) -> None:
        """Nobody asks about this one any more."""
        self._read.pop(key, None)

    def __len__(self) -> int:
        return len(self._read)

    def _translate(self, profile: ServiceProfile) -> Traffic:
        def tell(part: str, problem: str) -> None:
            self._complaints.about("ServiceProfile", *profile.metadata.key, part, problem)

        try:
            return translate(profile, tell)
        except ProfileError as error:
            tell("spec", f"{error}; the whole profile is ignored")
            return DEFAULT_TRAFFIC
