"""Private files, and locks that die with their holder."""

import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from linkerd.local.files import keep_private, locked, write_private


def test_written_file_and_new_folder_are_private(tmp_path: Path) -> None:
    file = write_private(tmp_path / "new" / "file", "secret")

    assert file.read_text() == "secret"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_failed_write_leaves_the_old_content_and_no_litter(tmp_path: Path) -> None:
    file = write_private(tmp_path / "file", "old")
    with pytest.raises(TypeError):
        write_private(file, 5)  # type: ignore[arg-type]  # what a bug would pass

    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


def test_same_content_is_not_written_again(tmp_path: Path) -> None:
    file = keep_private(tmp_path / "file", "same")
    before = file.stat().st_ino

    assert keep_private(file, "same").stat().st_ino == before
    assert keep_private(file, "other").stat().st_ino != before


def test_second_holder_is_refused_when_it_does_not_wait(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    with locked(lock) as first, locked(lock, wait=False) as second:
        assert (first, second) == (True, False)
    with locked(lock, wait=False) as third:
        assert third


def test_lock_dies_with_its_holder(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    script = (
        "import sys; from pathlib import Path; from linkerd.local.files import locked\n"
        "with locked(Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", script, str(lock)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with locked(lock, wait=False) as held:
            assert not held
        holder.kill()
        with locked(lock) as held:
            assert held


def test_waiter_of_a_deleted_lock_takes_its_successor(tmp_path: Path) -> None:
    lock, done = tmp_path / "lock", threading.Event()
    inodes: list[int] = []

    def wait_for_it() -> None:
        with locked(lock):
            inodes.append(lock.stat().st_ino)
            done.set()

    waiter = threading.Thread(target=wait_for_it)
    with locked(lock):
        waiter.start()
        lock.unlink()
    assert done.wait(10)
    waiter.join()

    assert inodes == [lock.stat().st_ino]
