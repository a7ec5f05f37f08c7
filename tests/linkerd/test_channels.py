"""Versions and channels of a check endpoint's answer."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkerd.channels import ChannelError, Channels, ChannelVersion

ANSWER = b'{"stable": "stable-2.90.0", "edge": "edge-27.1.1", "stableHotpatch": "stable-2.89.0-2"}'


@pytest.mark.parametrize(
    ("text", "channel"),
    [
        ("stable-2.90.0", "stable"),
        ("edge-27.1.1", "edge"),
        ("stable-2.90.0-1", "stableHotpatch"),
        ("dev-abc123-alice", "dev"),
        ("dev-abc123-1a", "dev"),
    ],
)
def test_a_version_tells_its_channel(text: str, channel: str) -> None:
    assert ChannelVersion.parse(text).channel == channel


@pytest.mark.parametrize("text", ["", "2.90.0", "stable", "stable-", "-2.90.0", "stable--1"])
def test_what_is_no_version(text: str) -> None:
    with pytest.raises(ChannelError):
        ChannelVersion.parse(text)


def test_h10_a_version_of_another_channel_spoils_the_answer() -> None:
    with pytest.raises(ChannelError, match=r"edge-1\.2\.3"):
        Channels.parse(b'{"stable":"edge-1.2.3"}')


@pytest.mark.parametrize(
    "body",
    [
        b'{"edge": "edge-27.1.1", "stable": "edge-1.2.3"}',
        b'{"stable": "stable-2.90.0-1"}',
        b'{"stable": "2.90.0"}',
        b'{"stable": {"latest": "stable-2.90.0"}}',
        b'["stable-2.90.0"]',
        b"<html>",
        b"",
    ],
)
def test_h10_answers_that_are_refused(body: bytes) -> None:
    with pytest.raises(ChannelError):
        Channels.parse(body)


@pytest.mark.parametrize("running", ["stable-2.90.0", "edge-27.1.1", "stable-2.89.0-2"])
def test_h11_the_newest_of_its_channel_has_no_complaint(running: str) -> None:
    assert Channels.parse(ANSWER).complaint(running) is None


def test_h11_an_older_one_is_told_both_versions() -> None:
    assert Channels.parse(ANSWER).complaint("stable-2.88.1") == (
        "is running version stable-2.88.1 but the latest stable version is stable-2.90.0"
    )


def test_h11_an_unknown_channel_is_said_to_be() -> None:
    with pytest.raises(ChannelError, match="unsupported version channel: dev-undefined"):
        Channels.parse(ANSWER).complaint("dev-undefined")


@given(st.binary() | st.dictionaries(st.text(), st.text()).map(lambda d: json.dumps(d).encode()))
def test_no_answer_breaks_the_reader(body: bytes) -> None:
    with suppress(ChannelError):
        Channels.parse(body)


@given(st.from_regex(r"[a-z]+-[0-9.]+(-[0-9]+)?", fullmatch=True))
def test_an_answer_of_one_consistent_version_is_taken(text: str) -> None:
    channel = ChannelVersion.parse(text).channel
    channels = Channels.parse(json.dumps({channel: text}).encode())
    assert channels.complaint(text) is None
