"""The kinds of attacks by name."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from tests.support.attacks import blocks, control, requests, resets, stalls
from tests.support.attacks.peer import Peer

Send = Callable[[Peer], Iterator[bytes]]


@dataclass(frozen=True, slots=True)
class Kind:
    """What one connection sends, in chunks; each may wait for what the server allows.

    `reads`: that it reads what the server says. `preface`: that it begins as HTTP/2 does.
    `leaves`: that it hangs up when it has said all, instead of waiting for the server to do so.
    `proxied`: that a proxy would carry it, so that a bystander may share the connection.
    """

    send: Send
    reads: bool = True
    preface: bool = True
    leaves: bool = False
    proxied: bool = False


KINDS: Final[Mapping[str, Kind]] = {
    # About the connection.
    "ping": Kind(control.pings),
    "ping-ack": Kind(control.ping_acks),
    "settings": Kind(control.empty_settings),
    "settings-ack": Kind(control.settings_acks),
    "settings-full": Kind(control.full_settings),
    "settings-table-size": Kind(control.table_sizes),
    "settings-under-streams": Kind(control.settings_under_streams),
    "priority": Kind(control.priorities),
    "priority-spread": Kind(control.spread_priorities),
    "unknown-frame": Kind(control.unknown_frames),
    "goaway": Kind(control.goaways),
    "window-update-1": Kind(control.tiny_updates),
    "window-update-1024": Kind(control.stream_updates),
    # DATA that brings nothing.
    "data-empty": Kind(control.empty_data, proxied=True),
    "data-1-byte": Kind(control.one_byte_data, proxied=True),
    "data-padding": Kind(control.padded_data, proxied=True),
    # Headers.
    "continuation": Kind(blocks.continuations),
    "continuation-empty": Kind(blocks.empty_continuations),
    "continuation-few": Kind(blocks.few_continuations),
    "hpack-bomb": Kind(blocks.bomb),
    "hpack-thrash": Kind(blocks.thrash, proxied=True),
    "hpack-table-size": Kind(blocks.table_size_changes),
    "hpack-broken": Kind(blocks.broken),
    "headers-16k": Kind(blocks.long_lists, proxied=True),
    "headers-440": Kind(blocks.lists_of_many, proxied=True),
    "headers-20k": Kind(blocks.too_long_lists),
    "headers-malformed": Kind(blocks.malformed),
    # Streams that end at once.
    "rapid-reset": Kind(resets.rapid, proxied=True),
    "rapid-reset-calls": Kind(resets.rapid_calls, proxied=True),
    "made-you-reset-no-increment": Kind(resets.no_increment),
    "made-you-reset-overflow": Kind(resets.overflow),
    "made-you-reset-late-data": Kind(resets.late_data),
    "made-you-reset-late-headers": Kind(resets.late_headers),
    "made-you-reset-self-dependency": Kind(resets.self_dependency),
    "made-you-reset-short-priority": Kind(resets.short_priority),
    "made-you-reset-length": Kind(resets.wrong_length),
    "made-you-reset-trailers": Kind(resets.unended_trailers),
    "reset-closed": Kind(resets.resets_of_closed),
    "reset-idle": Kind(resets.resets_of_idle),
    "frames-on-reset": Kind(resets.frames_on_reset),
    "headers-on-reset": Kind(resets.headers_on_reset),
    # Requests.
    "valid": Kind(requests.valid, proxied=True),
    "valid-tiny": Kind(requests.tiny, proxied=True),
    "watches": Kind(requests.watches, proxied=True),
    "no-such-method": Kind(requests.no_such_method, proxied=True),
    "no-grpc": Kind(requests.no_grpc, proxied=True),
    "no-message": Kind(requests.no_message, proxied=True),
    "broken-message": Kind(requests.broken_messages, proxied=True),
    "compressed": Kind(requests.compressed, proxied=True),
    "over-the-limit": Kind(requests.over_the_limit, proxied=True),
    "large-messages": Kind(requests.large_messages, proxied=True),
    "deadlines": Kind(requests.deadlines, proxied=True),
    "trailers": Kind(requests.trailers, proxied=True),
    "unfinished": Kind(requests.unfinished, proxied=True),
    "partial-bodies": Kind(requests.partial_bodies, proxied=True),
    "kept-bodies": Kind(requests.kept_bodies, proxied=True),
    "push": Kind(requests.pushes),
    # Time.
    "window-0": Kind(stalls.window_of_0),
    "window-1": Kind(stalls.window_of_1),
    "window-1024": Kind(stalls.window_of_1024),
    "unread-answers": Kind(stalls.unread_answers, reads=False),
    "unread-pongs": Kind(stalls.unread_pongs, reads=False),
    "unread-messages": Kind(stalls.unread_messages, reads=False),
    "slow-headers": Kind(stalls.slow_headers),
    "slow-frames": Kind(stalls.slow_frames),
    "half-closed": Kind(stalls.half_closed),
    "coming-and-going": Kind(stalls.coming_and_going, leaves=True),
    "gone-at-once": Kind(stalls.gone_at_once, leaves=True),
    "other-protocol": Kind(stalls.other_protocol, preface=False),
}
