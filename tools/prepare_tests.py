"""Everything that tests need and that takes longer than a test may: built or fetched beforehand.

Called by `make test`, which puts the folder that this prints on PATH. Kubernetes' programs and the
container image are built, both into the machine's cache; what is there already is left alone. Other
programs come from Debian's packages, unpacked into the cache and not installed: installing
Prometheus would also start one. What cannot be had here is said on standard error, and the tests
that need it skip.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from linkerd.delivery.image import ImageBuilder
from linkerd.delivery.tree import ROOT
from linkerd.local.programs import cache_folder
from linkerd.local.progress import choose_progress
from linkerd.local.requirements import node_obstacle

# Program -> the package that has it, and what for.
PROGRAMS = {"prometheus": ("prometheus", "tests send queries to a real one")}


def main() -> None:
    """Prepare everything; prints the folder in any case."""
    linkerd = Path(sys.executable).with_name("linkerd")
    subprocess.run([linkerd, "local", "prepare"], stdout=sys.stderr, check=True)
    if node_obstacle() is None:
        ImageBuilder(ROOT, choose_progress()).controller()
    print(fetch_programs(cache_folder() / "debian"))


def fetch_programs(root: Path) -> Path:
    """The folder below `root` with those of PROGRAMS that are not on PATH."""
    folder = root / "usr" / "bin"
    for program, (package, why) in PROGRAMS.items():
        if not (shutil.which(program) or (folder / program).exists()):
            print(f"Fetching Debian's {package}: {why}", file=sys.stderr)
            if problem := fetch(package, root):
                print(f"{package} could not be fetched: {problem}", file=sys.stderr)
    return folder


def fetch(package: str, root: Path) -> str | None:
    """Unpack a package below `root`; the reason when it cannot be had."""
    if shutil.which("apt-get") is None:
        return "this is not Debian"
    with tempfile.TemporaryDirectory() as folder:
        download = ["apt-get", "download", "-qq", package]
        if problem := attempt(download, Path(folder)):
            # An apt without lists, as in a fresh container, knows no package.
            attempt(["apt-get", "update", "-qq"], Path(folder))
            problem = attempt(download, Path(folder))
        if problem:
            return problem
        (archive,) = Path(folder).glob("*.deb")
        root.mkdir(parents=True, exist_ok=True)
        return attempt(["dpkg-deb", "--extract", str(archive), str(root)], Path(folder))


def attempt(argv: list[str], folder: Path) -> str | None:
    """Run a program; its last words when it fails."""
    done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=False)
    words = done.stderr.strip().splitlines() or [f"{argv[0]} failed"]
    return words[-1] if done.returncode else None


if __name__ == "__main__":
    main()
