"""Settings: one frozen dataclass per service; flags and environment variables derive from it.

A service declares fields with `setting(...)`; `load` fills them from, in this order, the command
line, the environment, the defaults. Flags are read as Go's `flag` package reads them, because
manifests written for upstream pass them so: `-x=v`, `--x=v`, `-x v`, `--x v`; a boolean takes its
value after `=` only. Whatever is unknown or malformed is a SettingsError that names the flag and
what would be right. How text becomes a value is in `values`.
"""

import dataclasses
import difflib
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, Literal, TypeVar, get_type_hints

from linkerd.mesh.control_plane import SERVICE_ADMIN_PORT
from linkerd.runtime.errors import SettingsError
from linkerd.runtime.values import HostPort, Parser, parse_host_port, parser_for, show

__all__ = [
    "GrpcEngine",
    "GrpcSettings",
    "HostPort",
    "JobSettings",
    "ServiceSettings",
    "SettingsError",
    "describe",
    "load",
    "parse_host_port",
    "setting",
]

S = TypeVar("S")
GrpcEngine = Literal["grpcio", "h2"]

_SPEC: Final = "linkerd.setting"
_HIDDEN: Final = "[redacted]"  # instead of a secret

# Kubernetes puts variables for every Service of the namespace into each container; those of a
# Service called linkerd-identity begin like the settings of the program identity.
_SERVICE_LINK: Final = re.compile(r"(_SERVICE_HOST|_SERVICE_PORT(_\w+)?|_PORT(_\d+_[A-Z]+\w*)?)$")


@dataclass(frozen=True, slots=True)
class _Spec:
    doc: str
    flag: str | None
    aliases: tuple[str, ...]
    env: str | None
    parse: Callable[[str], Any] | None
    secret: bool


def setting(
    *,
    default: Any = MISSING,
    doc: str,
    flag: str | None = None,
    aliases: tuple[str, ...] = (),
    env: str | None = None,
    parse: Callable[[str], Any] | None = None,
    secret: bool = False,
) -> Any:
    """A field of a settings class. Without a default the flag is required.

    `flag` defaults to the field's name in kebab case, `env` to LINKERD_<PROG>_<FIELD>; `aliases`
    are further names of the flag. `parse` replaces the parser of the annotated type and raises
    ValueError with a message that says what is accepted. A secret never appears in `describe`.
    A subclass may give a field another default by a plain assignment; the rest is inherited.
    """
    spec = _Spec(doc, flag, aliases, env, parse, secret)
    return dataclasses.field(default=default, metadata={_SPEC: spec})


@dataclass(frozen=True, kw_only=True)
class JobSettings:
    """What every program has, also one that does its work and ends."""

    kubeconfig: Path | None = setting(
        default=None, doc="Kubeconfig file; else $KUBECONFIG, ~/.kube/config, the pod's account."
    )
    log_level: Literal["panic", "fatal", "error", "warn", "info", "debug", "trace"] = setting(
        default="info", doc="Least severe level that is logged."
    )
    log_format: Literal["plain", "json"] = setting(
        default="plain", doc="Log lines for people or for programs."
    )


@dataclass(frozen=True, kw_only=True)
class ServiceSettings(JobSettings):
    """What every service has, whatever it serves."""

    admin_addr: HostPort = setting(
        default=HostPort("", SERVICE_ADMIN_PORT),
        doc="Address of /ping, /live, /ready and /metrics (HTTP).",
    )
    enable_pprof: bool = setting(
        default=False, doc="Serve profiling pages under /debug/ on the admin address."
    )
    lame_duck: timedelta = setting(
        default=timedelta(0),
        doc="How long to keep serving, unready, after SIGTERM, while clients learn of it.",
    )


@dataclass(frozen=True, kw_only=True)
class GrpcSettings(ServiceSettings):
    """What a service of gRPC has; subclasses override the defaults of the addresses."""

    addr: HostPort = setting(default=HostPort("", 8080), doc="Address that serves gRPC.")
    grpc_engine: GrpcEngine = setting(
        default="h2",
        doc="What serves gRPC: h2, which is made for many streams, or gRPC core.",
    )
    enable_reflection: bool = setting(
        default=False, doc="Serve gRPC reflection, so that grpcurl knows the methods."
    )
    enable_channelz: bool = setting(
        default=False, doc="Serve gRPC channelz, the state of every connection; engine grpcio only."
    )
    grpc_connection_age: timedelta = setting(
        default=timedelta(hours=6),
        doc="How old a connection may get, give or take a tenth, until its client is sent to "
        "connect anew, perhaps to another replica; 0: any age.",
    )


@dataclass(frozen=True, slots=True)
class Option:
    """A setting as `load` sees it: where it comes from and how its text is read."""

    field: str
    flags: tuple[str, ...]
    env: str
    doc: str
    secret: bool
    default: Any
    parser: Parser

    @property
    def flag(self) -> str:
        """The flag's chief name."""
        return self.flags[0]

    @property
    def is_switch(self) -> bool:
        """Whether the flag may stand without a value."""
        return self.parser.is_switch


def load(
    cls: type[S],
    argv: Sequence[str],
    environ: Mapping[str, str],
    *,
    prog: str,
    version: str = "",
) -> S:
    """The settings that `argv` (without the program's name) and `environ` say.

    Raises SettingsError, and SystemExit(0) after --help or --version has printed.
    """
    options = options_of(cls, prog)
    given = _read_flags(options, argv, prog, version)
    texts = {**_read_environ(options, environ, prog), **given}
    values = {option.field: _value(option, texts) for option in options}
    return cls(**values)


def describe(settings: Any) -> dict[str, object]:
    """Flag names and the values in force, as text, secrets replaced; for the log at start."""
    return {
        option.flag: _HIDDEN if option.secret else show(getattr(settings, option.field))
        for option in options_of(type(settings), "")
    }


def options_of(cls: type[Any], prog: str) -> list[Option]:
    """The options of a settings class, in the order of its fields."""
    hints = get_type_hints(cls)
    return [_option(cls, field, hints[field.name], prog) for field in dataclasses.fields(cls)]


def _option(cls: type[Any], field: "dataclasses.Field[Any]", hint: Any, prog: str) -> Option:
    spec = _spec_of(cls, field.name)
    default = field.default
    if default is MISSING and field.default_factory is not MISSING:
        default = field.default_factory()
    return Option(
        field=field.name,
        flags=(spec.flag or field.name.replace("_", "-"), *spec.aliases),
        env=spec.env or f"{_prefix(prog)}{field.name.upper()}",
        doc=spec.doc,
        secret=spec.secret,
        default=default,
        parser=parser_for(hint, spec.parse),
    )


def _prefix(prog: str) -> str:
    return f"LINKERD_{prog.upper().replace('-', '_')}_"


def _spec_of(cls: type[Any], name: str) -> _Spec:
    for ancestor in cls.__mro__:
        field = getattr(ancestor, "__dataclass_fields__", {}).get(name)
        if field is not None and _SPEC in field.metadata:
            spec: _Spec = field.metadata[_SPEC]
            return spec
    raise TypeError(f"{cls.__name__}.{name} is not declared with setting()")


def _read_flags(
    options: Sequence[Option], argv: Sequence[str], prog: str, version: str
) -> dict[str, tuple[str, str]]:
    """Field -> (where it was said, text); the last mention of a flag counts."""
    by_flag = {flag: option for option in options for flag in option.flags}
    given: dict[str, tuple[str, str]] = {}
    words = iter(argv)
    for word in words:
        name, equals, text = _split(word)
        option = by_flag.get(name)
        if option is None:
            _special(name, options, prog, version)
            raise SettingsError(f"unknown flag --{name}{_hint(name, by_flag)}")
        if not equals:
            text = _next_text(option, words)
        given[option.field] = (f"--{name}", text)
    return given


def _split(word: str) -> tuple[str, str, str]:
    name = word.removeprefix("-").removeprefix("-")
    if not word.startswith("-") or not name or name.startswith(("-", "=")):
        raise SettingsError(
            f"unexpected argument {word!r}: only flags are taken (booleans as --flag=false)"
        )
    return name.partition("=")


def _next_text(option: Option, words: Iterator[str]) -> str:
    if option.is_switch:
        return "true"
    text = next(words, None)
    if text is None:
        raise SettingsError(f"flag --{option.flag} needs a value: {option.parser.accepts}")
    return text


def _special(name: str, options: Sequence[Option], prog: str, version: str) -> None:
    if name in {"help", "h"}:
        sys.stdout.write(help_text(options, prog))
        raise SystemExit(0)
    if name == "version":
        sys.stdout.write(f"{version or 'unknown'}\n")
        raise SystemExit(0)


def _hint(name: str, known: Mapping[str, Any], shown: str = "--{}") -> str:
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.0)
    return f"; did you mean {shown.format(close[0])}?" if close else ""


def _read_environ(
    options: Sequence[Option], environ: Mapping[str, str], prog: str
) -> dict[str, tuple[str, str]]:
    by_env = {option.env: option for option in options}
    for name in environ:
        if name.startswith(_prefix(prog)) and name not in by_env and not _SERVICE_LINK.search(name):
            raise SettingsError(f"unknown environment variable {name}{_hint(name, by_env, '{}')}")
    return {
        option.field: (f"environment variable {option.env}", environ[option.env])
        for option in options
        if option.env in environ
    }


def _value(option: Option, texts: Mapping[str, tuple[str, str]]) -> Any:
    said = texts.get(option.field)
    if said is None:
        if option.default is MISSING:
            raise SettingsError(
                f"flag --{option.flag} (or {option.env}) is required: {option.parser.accepts}"
            )
        return option.default
    where, text = said
    try:
        return option.parser.parse(text)
    except ValueError as error:
        value = _HIDDEN if option.secret else repr(text)
        detail = "" if option.secret or option.parser.says_all else f" ({error})"
        raise SettingsError(
            f"{where}: bad value {value}: it takes {option.parser.accepts}{detail}"
        ) from None


def help_text(options: Sequence[Option], prog: str) -> str:
    """What --help prints."""
    lines = [f"Usage of {prog} (each flag may also be set by the environment variable shown):", ""]
    for option in options:
        default = "required" if option.default is MISSING else f"default {show(option.default)!r}"
        shown = "[redacted]" if option.secret and option.default else default
        names = ", ".join(f"--{flag}" for flag in option.flags)
        lines += [
            f"  {names}  {option.parser.accepts}",
            f"      {option.doc}",
            f"      {option.env}, {shown}",
        ]
    lines += [
        "  --help",
        "      Print this and exit.",
        "  --version",
        "      Print the version and exit.",
    ]
    return "\n".join(lines) + "\n"
