"""Image archives that we make, and names as kubelet completes them."""

import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkerd.local.archives import archive_of
from linkerd.local.errors import LocalError
from linkerd.local.images import full_name, program_image


def files_of(archive: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]  # all are files


@given(content=st.binary(max_size=2000))
def test_archive_holds_the_program_and_its_digests_agree(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    program = tmp_path_factory.mktemp("program") / "p"
    program.write_bytes(content)

    name, archive = program_image("tool", "bin/p", program)
    files = files_of(archive)
    described = json.loads(files["index.json"])["manifests"][0]
    manifest = json.loads(files[blob(described["digest"])])
    layer = files[blob(manifest["layers"][0]["digest"])]

    assert described["annotations"]["io.containerd.image.name"] == name
    assert files_of(layer) == {"bin/p": content}
    for path, data in files.items():
        if path.startswith("blobs/"):
            assert path == blob(f"sha256:{hashlib.sha256(data).hexdigest()}")
    config = json.loads(files[blob(manifest["config"]["digest"])])
    assert config["rootfs"]["diff_ids"] == [f"sha256:{hashlib.sha256(layer).hexdigest()}"]
    assert config["config"]["Entrypoint"] == ["/bin/p"]


def blob(digest: str) -> str:
    return f"blobs/{digest.replace(':', '/')}"


def test_name_follows_the_content(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"1")
    (tmp_path / "b").write_bytes(b"2")

    first, again, other = (program_image("t", "p", tmp_path / f)[0] for f in ("a", "a", "b"))

    assert first == again != other


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("demo:1", "docker.io/library/demo:1"),
        ("team/demo:1", "docker.io/team/demo:1"),
        ("localhost/demo:1", "localhost/demo:1"),
        ("localhost:5000/demo:1", "localhost:5000/demo:1"),
        ("registry.example/a/b:1", "registry.example/a/b:1"),
    ],
)
def test_full_name(name: str, expected: str) -> None:
    assert full_name(name) == expected


def test_file_is_its_own_archive(tmp_path: Path) -> None:
    file = tmp_path / "image.tar"
    file.touch()

    with archive_of(str(file)) as archive:
        assert archive == file


def test_image_that_nobody_has_is_said() -> None:
    with (
        pytest.raises(LocalError, match="neither a file nor an image"),
        archive_of("localhost/no-such-image:0"),
    ):
        pass
