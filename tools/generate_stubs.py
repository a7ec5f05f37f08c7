"""Generate the typed Python modules of the wire contract: protos/ -> linkerd/stubs/.

Called by `python tools/generate_stubs.py`, and by setup.py whenever the package is built or
installed, so that no generated file is kept in git. protos/proxy/net.proto becomes
linkerd.stubs.proxy.net_pb2 (with .pyi); a file that declares services also becomes a module
..._pb2_grpc (with .pyi). Folders are one deep.

The output depends on the .proto files, the generators' versions and this file, nothing else. A
digest of them lies beside the output (`.inputs`): while it matches, nothing is written. Modules
are replaced one by one and the digest comes last, so concurrent runs and an interrupted run do no
harm.
"""

import argparse
import hashlib
import importlib.metadata
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

PACKAGE = "linkerd.stubs"
ROOT = Path(__file__).resolve().parent.parent
PROTOS = ROOT / "protos"
TARGET = ROOT / PACKAGE.replace(".", "/")

GENERATORS = ("grpcio-tools", "mypy-protobuf", "protobuf")
STAMP = ".inputs"
WORK_PREFIX = ".new-"


class GenerationError(Exception):
    """The compiler refused a file; the message is what it said."""


def generate(protos: Path = PROTOS, target: Path = TARGET) -> bool:
    """Make `target` hold exactly the stubs of the .proto files under `protos`.

    Returns whether anything was written. Raises GenerationError when a file does not compile.
    """
    files = _sources(protos)
    digest = _digest(protos, files)
    if _is_current(target, digest):
        return False
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=WORK_PREFIX, dir=target) as work:
        fresh = Path(work)
        _compile(protos, files, fresh)
        _add_packages(fresh)
        _replace(fresh, target)
    (target / STAMP).write_text("\n".join([digest, *_modules(target)]) + "\n")
    return True


def _sources(protos: Path) -> list[Path]:
    files = sorted(protos.rglob("*.proto"))
    if not files:
        raise GenerationError(f"no .proto file under {protos}")
    for file in files:
        if file.parent.parent != protos:
            raise GenerationError(f"{file}: move it into a folder right under {protos}")
    return files


def _digest(protos: Path, files: Sequence[Path]) -> str:
    sha = hashlib.sha256(Path(__file__).read_bytes())
    for name in GENERATORS:
        sha.update(f"{name} {importlib.metadata.version(name)}\n".encode())
    for file in files:
        content = file.read_bytes()
        sha.update(f"{file.relative_to(protos).as_posix()} {len(content)}\n".encode())
        sha.update(content)
    return sha.hexdigest()


def _is_current(target: Path, digest: str) -> bool:
    try:
        recorded, *modules = (target / STAMP).read_text().splitlines()
    except (FileNotFoundError, ValueError):
        return False
    return recorded == digest and modules == list(_modules(target))


def _modules(target: Path) -> Iterator[str]:
    """Every generated file, as a path relative to `target`, in a fixed order."""
    for folder in [target, *_packages(target)]:
        for path in sorted(folder.iterdir()):
            if path.suffix in {".py", ".pyi"}:
                yield path.relative_to(target).as_posix()


def _packages(target: Path) -> list[Path]:
    """The folders of modules, without those that a run is working in."""
    return [path for path in sorted(target.iterdir()) if path.is_dir() and path.name[0] not in "._"]


def _compile(protos: Path, files: Sequence[Path], out: Path) -> None:
    services = [file for file in files if re.search(r"^service ", file.read_text(), re.MULTILINE)]
    messages_plugin = _plugin(out, "mypy", "main")
    services_plugin = _plugin(out, "mypy_grpc", "grpc")
    _protoc(protos, files, messages_plugin, f"--python_out={out}", f"--mypy_out=quiet:{out}")
    if services:
        _protoc(
            protos,
            services,
            services_plugin,
            f"--grpc_python_out={out}",
            f"--mypy_grpc_out=quiet:{out}",
        )
    folders = {file.parent.name for file in files}
    for module in _modules(out):
        (out / module).write_text(_at_home((out / module).read_text(), folders))


def _plugin(work: Path, name: str, function: str) -> str:
    """A protoc option that runs mypy-protobuf from this interpreter, whatever PATH says."""
    script = work / f"protoc-gen-{name}.sh"
    code = f"from mypy_protobuf.main import {function}; {function}()"
    script.write_text(f"#!/bin/sh\nexec {shlex.quote(sys.executable)} -c {shlex.quote(code)}\n")
    script.chmod(0o700)
    return f"--plugin=protoc-gen-{name}={script}"


def _protoc(protos: Path, files: Sequence[Path], *options: str) -> None:
    names = [file.relative_to(protos).as_posix() for file in files]
    command = [sys.executable, "-m", "grpc_tools.protoc", f"--proto_path={protos}", *options]
    done = subprocess.run([*command, *names], capture_output=True, text=True, check=False)
    if done.returncode:
        raise GenerationError(done.stderr.strip() or f"protoc ended with {done.returncode}")


def _at_home(text: str, folders: set[str]) -> str:
    """Move a module's imports and its own name into PACKAGE.

    protoc names Python modules after the paths that .proto files import each other by; those are
    relative to protos/ (what users of grpcurl pass), while our modules live inside linkerd.
    """
    names = "|".join(sorted(folders))
    imports = re.compile(rf"^from ({names}) import ", re.MULTILINE)
    own_name = re.compile(rf"(\(DESCRIPTOR, ')(?=(?:{names})\.)")
    return own_name.sub(rf"\g<1>{PACKAGE}.", imports.sub(rf"from {PACKAGE}.\1 import ", text))


def _add_packages(out: Path) -> None:
    """Make every folder of modules a package."""
    for folder in [out, *_packages(out)]:
        (folder / "__init__.py").write_text('"""Generated from protos/; do not edit."""\n')


def _replace(fresh: Path, target: Path) -> None:
    """Move the modules of `fresh` into `target`; drop those that no longer have a source."""
    wanted = list(_modules(fresh))
    for name in wanted:
        (target / name).parent.mkdir(exist_ok=True)
        (fresh / name).replace(target / name)
    for name in set(_modules(target)) - set(wanted):
        (target / name).unlink(missing_ok=True)


def main(argv: Sequence[str] | None = None) -> int:
    """Command line: generate in place, or into another folder."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--protos", type=Path, default=PROTOS, help="where the .proto files are")
    parser.add_argument("--target", type=Path, default=TARGET, help="where the package goes")
    arguments = parser.parse_args(argv)
    try:
        changed = generate(arguments.protos.resolve(), arguments.target.resolve())
    except GenerationError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{arguments.target}: {'generated' if changed else 'up to date'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
