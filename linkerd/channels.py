"""Release channels: whether a running version is the newest of its channel.

A check endpoint answers with a flat JSON object, channel -> newest version, for instance
`{"stable": "stable-2.90.0", "edge": "edge-27.1.1"}`. A version is `<channel>-<version>`, or
`<channel>-<version>-<number>` for a hotpatch, whose channel has a name of its own
(`stableHotpatch`). One entry that contradicts itself spoils the whole answer: it is not ours.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

_HOTPATCH: Final = "Hotpatch"


class ChannelError(ValueError):
    """A version or an answer that has no meaning; the message says why."""


@dataclass(frozen=True, slots=True)
class ChannelVersion:
    """A version and the channel that it came through."""

    text: str
    channel: str

    @classmethod
    def parse(cls, text: str) -> "ChannelVersion":
        """Reads `stable-2.90.0`, `edge-27.1.1`, `stable-2.90.0-1`. Raises ChannelError."""
        channel, _, rest = text.partition("-")
        version, _, patch = rest.partition("-")
        if not channel or not version:
            raise ChannelError(f"{text[:100]!r} is not a version such as stable-2.90.0")
        is_hotpatch = patch.isascii() and patch.isdecimal()
        return cls(text, channel + (_HOTPATCH if is_hotpatch else ""))


class Channels:
    """The newest version of every channel."""

    def __init__(self, newest: Mapping[str, ChannelVersion]) -> None:
        self._newest = newest

    @classmethod
    def parse(cls, body: bytes) -> "Channels":
        """Reads an endpoint's answer. Raises ChannelError."""
        try:
            said = msgspec.json.decode(body, type=dict[str, str])
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise ChannelError(f"the answer is not a list of versions: {error}") from error
        newest = {name: ChannelVersion.parse(text) for name, text in said.items()}
        for name, version in newest.items():
            if version.channel != name:
                raise ChannelError(
                    f"the answer is contradictory: {version.text!r} is not of channel {name!r}"
                )
        return cls(newest)

    def complaint(self, running: str) -> str | None:
        """None when `running` is its channel's newest version, else what to tell the user.

        Raises ChannelError when nothing is known of its channel.
        """
        version = ChannelVersion.parse(running)
        newest = self._newest.get(version.channel)
        if newest is None:
            raise ChannelError(f"unsupported version channel: {running}")
        if newest.text == running:
            return None
        return (
            f"is running version {running} but the latest {version.channel} version is "
            f"{newest.text}"
        )
