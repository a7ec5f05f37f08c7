"""Settings from flags, environment and defaults, and what is said about wrong ones."""

import contextlib
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

import hypothesis.strategies as st
import pytest
from hypothesis import given

from linkerd.runtime.settings import (
    GrpcSettings,
    HostPort,
    SettingsError,
    describe,
    load,
    setting,
)


@dataclass(frozen=True, kw_only=True)
class Settings(GrpcSettings):
    """What a service might declare."""

    addr: HostPort = HostPort("", 8086)
    admin_addr: HostPort = setting(
        default=HostPort("", 9996), doc="Admin.", aliases=("metrics-addr",)
    )
    opaque_ports: tuple[str, ...] = setting(default=(), doc="Ports.", flag="default-opaque-ports")
    lifetime: timedelta = setting(default=timedelta(hours=24), doc="Lifetime.")
    endpoint_slices: bool = setting(default=True, doc="Slices.")
    capacity: int = setting(default=100, doc="Capacity.", env="QUEUE_CAPACITY")
    password: str = setting(default="", doc="Password.", secret=True)
    mode: Literal["transparent", "transport-header"] = setting(default="transparent", doc="Mode.")


@dataclass(frozen=True, kw_only=True)
class Needy(GrpcSettings):
    """Has a required flag."""

    issuer: Path = setting(doc="Issuer.")


def read(*argv: str, **environ: str) -> Settings:
    """Loads Settings as the program `destination`."""
    return load(Settings, argv, environ, prog="destination")


@pytest.mark.parametrize(
    "argv",
    [
        ("--default-opaque-ports=25,587-590",),
        ("-default-opaque-ports=25,587-590",),
        ("--default-opaque-ports", "25,587-590"),
        ("-default-opaque-ports", "25,587-590"),
    ],
)
def test_flags_are_written_in_four_ways(argv: tuple[str, ...]) -> None:
    assert read(*argv).opaque_ports == ("25", "587-590")


def test_the_last_mention_counts() -> None:
    assert read("--capacity=1", "-capacity", "2").capacity == 2


def test_a_value_may_look_like_a_flag_or_be_empty() -> None:
    assert read("--password", "-x").password == "-x"
    assert read("--password=").password == ""
    assert read("--password=a=b").password == "a=b"


@pytest.mark.parametrize(
    ("argv", "value"),
    [
        (("--endpoint-slices=false",), False),
        (("-endpoint-slices=0",), False),
        (("--endpoint-slices",), True),
        ((), True),
    ],
)
def test_booleans_take_no_separate_value(argv: tuple[str, ...], value: bool) -> None:
    assert read(*argv).endpoint_slices is value


def test_a_separate_value_of_a_boolean_is_explained() -> None:
    with pytest.raises(SettingsError, match=r"unexpected argument 'false'.*--flag=false"):
        read("--endpoint-slices", "false")


def test_flags_win_over_the_environment_and_that_over_defaults() -> None:
    environ = {"LINKERD_DESTINATION_LIFETIME": "1h", "LINKERD_DESTINATION_OPAQUE_PORTS": "80"}
    settings = read("--lifetime=2h", **environ)
    assert settings.lifetime == timedelta(hours=2)
    assert settings.opaque_ports == ("80",)
    assert settings.addr == HostPort("", 8086)


def test_a_variable_may_have_a_name_of_its_own() -> None:
    assert read(QUEUE_CAPACITY="7").capacity == 7


def test_aliases_name_the_same_setting() -> None:
    assert read("--metrics-addr=:1").admin_addr == HostPort("", 1)
    assert read("--admin-addr=:1").admin_addr == HostPort("", 1)


def test_subclasses_change_defaults_and_keep_the_rest() -> None:
    assert read().addr == HostPort("", 8086)
    assert read("--addr=127.0.0.1:0").addr == HostPort("127.0.0.1", 0)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (("--capcity=1",), r"unknown flag --capcity; did you mean --capacity\?"),
        (
            ("--lifetime=soon",),
            r"--lifetime: bad value 'soon': it takes a duration such as 24h0m0s",
        ),
        (("--capacity=many",), r"--capacity: bad value 'many': it takes a whole number"),
        (("--addr=8086",), r"--addr: bad value '8086': it takes an address .*\(no port"),
        (("--log-level=loud",), r"--log-level: bad value 'loud': it takes one of panic, fatal"),
        (("--endpoint-slices=maybe",), r"--endpoint-slices: bad value 'maybe': it takes true or f"),
        (("--capacity",), r"flag --capacity needs a value: a whole number"),
        (("destination",), r"unexpected argument 'destination'"),
        (("--",), r"unexpected argument '--'"),
        (("---capacity=1",), r"unexpected argument '---capacity=1'"),
        (("-=1",), r"unexpected argument '-=1'"),
        (("",), r"unexpected argument ''"),
    ],
)
def test_wrong_flags_name_the_fix(argv: tuple[str, ...], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        read(*argv)


def test_wrong_variables_name_the_fix() -> None:
    with pytest.raises(
        SettingsError, match=r"unknown .* LINKERD_DESTINATION_LIFTIME; did you mean"
    ):
        read(LINKERD_DESTINATION_LIFTIME="1h")
    with pytest.raises(SettingsError, match="variable LINKERD_DESTINATION_LIFETIME: bad value 'x'"):
        read(LINKERD_DESTINATION_LIFETIME="x")


def test_variables_that_kubernetes_makes_for_services_are_no_settings() -> None:
    read(
        LINKERD_DESTINATION_SERVICE_HOST="10.0.0.1",
        LINKERD_DESTINATION_SERVICE_PORT="8086",
        LINKERD_DESTINATION_SERVICE_PORT_GRPC="8086",
        LINKERD_DESTINATION_PORT="tcp://10.0.0.1:8086",
        LINKERD_DESTINATION_PORT_8086_TCP="tcp://10.0.0.1:8086",
        LINKERD_DESTINATION_PORT_8086_TCP_ADDR="10.0.0.1",
        LINKERD_IDENTITY_ADDR=":1",
        PATH="/bin",
    )


def test_a_required_flag_is_asked_for() -> None:
    with pytest.raises(SettingsError, match=r"flag --issuer \(or LINKERD_X_ISSUER\) is required"):
        load(Needy, [], {}, prog="x")
    assert load(Needy, ["--issuer=/i"], {}, prog="x").issuer == Path("/i")


def test_secrets_are_not_told() -> None:
    assert describe(read("--password=hunter2"))["password"] == "[redacted]"  # redacted

    def strict(text: str) -> int:
        """A number."""
        raise ValueError(f"no number: {text}")

    @dataclass(frozen=True, kw_only=True)
    class Secretive(GrpcSettings):
        pin: int = setting(default=0, doc="Pin.", secret=True, parse=strict)

    with pytest.raises(SettingsError) as caught:
        load(Secretive, ["--pin=hunter2"], {}, prog="x")
    assert "hunter2" not in str(caught.value)


def test_help_names_every_flag_with_variable_default_and_doc(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for flag in ("--help", "-h", "-help"):
        with pytest.raises(SystemExit) as caught:
            read(flag)
        assert caught.value.code == 0
        text = capsys.readouterr().out
        for name in describe(read()):
            assert f"--{name}" in text
        assert "--admin-addr, --metrics-addr" in text
        assert "LINKERD_DESTINATION_LIFETIME, default '24h0m0s'" in text
        assert "QUEUE_CAPACITY, default '100'" in text


def test_version_prints_it(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        load(Settings, ["-version"], {}, prog="x", version="1.2.3")
    assert caught.value.code == 0
    assert capsys.readouterr().out == "1.2.3\n"


def test_a_field_without_a_doc_is_refused() -> None:
    @dataclass(frozen=True)
    class Bare:
        field: str = ""

    with pytest.raises(TypeError, match=r"Bare\.field is not declared with setting"):
        load(Bare, [], {}, prog="x")


@given(
    st.fixed_dictionaries(
        {
            "addr": st.builds(HostPort, st.just(""), st.integers(0, 65535)),
            "lifetime": st.timedeltas(timedelta(0), timedelta(days=9999)),
            "endpoint_slices": st.booleans(),
            "capacity": st.integers(),
            "password": st.text(),
            "log_format": st.sampled_from(["plain", "json"]),
            "kubeconfig": st.none() | st.just(Path("/k")),
        }
    )
)
def test_described_settings_load_again_as_they_were(fields: dict[str, Any]) -> None:
    settings = Settings(**fields)
    shown = {**describe(settings), "password": fields["password"]}
    assert read(*(f"--{flag}={text}" for flag, text in shown.items())) == settings


@given(st.lists(st.text() | st.sampled_from(["--addr", "-lifetime=1s", "--capacity=x", "--"])))
def test_any_command_line_loads_or_is_a_settings_error(argv: list[str]) -> None:
    with contextlib.suppress(SettingsError, SystemExit):
        read(*argv)
