"""The state directory: recognised, refused, remembered."""

from pathlib import Path

import pytest

from linkerd.local.errors import StateError
from linkerd.local.state import Network, Record, State, default_state_folder


def test_new_directory_has_no_record(tmp_path: Path) -> None:
    assert State(tmp_path / "new").load() is None
    assert State(tmp_path).load() is None


def test_record_comes_back(tmp_path: Path) -> None:
    network = Network(
        cluster="10.1.0.0/16",
        pods="10.1.0.0/17",
        services="10.2.0.0/16",
        host_address="10.1.255.1",
        node_address="10.1.255.2",
    )
    record = Record(id="abc", api_only=False, ports={"etcd": 5}, network=network)
    State(tmp_path / "c").save(record)

    assert State(tmp_path / "c").load() == record


def test_two_clusters_have_ids_of_their_own(tmp_path: Path) -> None:
    ids = {State(tmp_path / str(i)).create(api_only=True).id for i in range(5)}

    assert len(ids) == 5


def test_directory_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "letters.txt").write_text("dear")

    with pytest.raises(StateError, match="no cluster of ours"):
        State(tmp_path).load()


def test_file_in_the_place_of_the_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(StateError, match=r"cannot be read|not a directory"):
        State(tmp_path / "file").load()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"id": 3}'])
def test_unreadable_record_says_how_to_go_on(tmp_path: Path, content: str) -> None:
    (tmp_path / "cluster.json").write_text(content)

    with pytest.raises(StateError, match="down --delete"):
        State(tmp_path).load()


def test_record_of_another_version_is_refused(tmp_path: Path) -> None:
    State(tmp_path).save(Record(id="abc", api_only=True, format=99))

    with pytest.raises(StateError, match="another version"):
        State(tmp_path).load()


def test_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(StateError, match="cannot be written"):
        State(tmp_path / "file" / "below").create(api_only=True)


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"LINKERD_LOCAL_STATE": "/x", "XDG_STATE_HOME": "/y"}, "/x"),
        ({"XDG_STATE_HOME": "/y"}, "/y/linkerd-py/local"),
        ({}, str(Path.home() / ".local/state/linkerd-py/local")),
    ],
)
def test_default_folder(environ: dict[str, str], expected: str) -> None:
    assert default_state_folder(environ) == Path(expected)
