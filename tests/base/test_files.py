"""A write is whole or did not happen."""

import errno
import os
import stat
import subprocess
import sys
import threading
import time

import pytest

from tts.base import files
from tts.base.errors import CannotCreateError, DataError, FileError, NoInputError, ResourceError, TtsError
from tts.base.files import atomic_file, atomic_write, check_writable, read_text


def leftovers(folder):
    return [name for name in os.listdir(folder) if name.endswith(".part")]


def test_writes_bytes_and_text_with_the_mode_of_an_ordinary_file(tmp_path):
    old = os.umask(0o027)
    try:
        atomic_write(tmp_path / "a", "grün\n")
    finally:
        os.umask(old)
    assert (tmp_path / "a").read_bytes() == "grün\n".encode()
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640
    assert leftovers(tmp_path) == []


def test_an_existing_file_is_replaced_only_with_force(tmp_path):
    path = tmp_path / "a"
    atomic_write(path, b"one")
    with pytest.raises(CannotCreateError, match="--force") as caught:
        atomic_write(path, b"two")
    assert caught.value.exit_code == 73 and path.read_bytes() == b"one"
    atomic_write(path, b"two", force=True)
    assert path.read_bytes() == b"two"


def test_an_exception_while_writing_leaves_the_old_file_and_no_other(tmp_path):
    path = tmp_path / "a"
    atomic_write(path, b"old")
    with pytest.raises(KeyboardInterrupt), atomic_file(path, force=True) as file:
        file.write(b"half")
        raise KeyboardInterrupt
    assert path.read_bytes() == b"old" and leftovers(tmp_path) == []


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EDQUOT])
def test_every_failing_system_call_keeps_the_old_file(tmp_path, monkeypatch, number):
    path = tmp_path / "a"
    atomic_write(path, b"old")
    for name in ("open", "fsync", "replace"):
        real, calls = getattr(os, name), []

        def failing(*args, real=real, calls=calls, **kwargs):
            calls.append(args)
            if len(calls) == 1:
                raise OSError(number, os.strerror(number))
            return real(*args, **kwargs)

        with monkeypatch.context() as patch:
            patch.setattr(files.os, name, failing)
            with pytest.raises(FileError) as caught:
                atomic_write(path, b"new", force=True)
        assert calls and caught.value.exit_code == 74
        assert path.read_bytes() == b"old" and leftovers(tmp_path) == []


def test_order_is_sync_the_file_then_publish_then_sync_the_folder(tmp_path, monkeypatch):
    order = []
    for name in ("fsync", "link", "replace"):
        real = getattr(os, name)
        monkeypatch.setattr(files.os, name, lambda *a, name=name, real=real: (order.append(name), real(*a))[1])
    atomic_write(tmp_path / "a", b"x")
    atomic_write(tmp_path / "a", b"y", force=True)
    assert order == ["fsync", "link", "fsync", "fsync", "replace", "fsync"]


def test_of_two_racing_writers_exactly_one_wins(tmp_path):
    for turn in range(30):
        path, gate, results = tmp_path / str(turn), threading.Barrier(2), {}

        def write(name, path=path, gate=gate, results=results):
            gate.wait()
            try:
                atomic_write(path, name * 1000)
                results[name] = "won"
            except CannotCreateError:
                results[name] = "refused"

        writers = [threading.Thread(target=write, args=(name,)) for name in "ab"]
        [w.start() for w in writers]
        [w.join() for w in writers]
        winner = [name for name, result in results.items() if result == "won"]
        assert sorted(results.values()) == ["refused", "won"] and path.read_text() == winner[0] * 1000


def test_without_hard_links_the_file_is_still_published_once(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(files.os, "link", refuse)
    atomic_write(tmp_path / "a", b"x")
    assert (tmp_path / "a").read_bytes() == b"x" and leftovers(tmp_path) == []
    with pytest.raises(CannotCreateError):
        atomic_write(tmp_path / "a", b"y")


def test_a_symlink_is_followed_only_with_force(tmp_path):
    (tmp_path / "real").write_bytes(b"old")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (tmp_path / "dangling").symlink_to(tmp_path / "none")
    for name in ("link", "dangling"):
        with pytest.raises(CannotCreateError):
            atomic_write(tmp_path / name, b"new")
        atomic_write(tmp_path / name, b"new", force=True)
        assert (tmp_path / name).is_symlink()
    assert (tmp_path / "real").read_bytes() == (tmp_path / "none").read_bytes() == b"new"


def test_devices_are_written_directly():
    atomic_write("/dev/null", b"x")
    with pytest.raises(FileError):
        atomic_write("/dev/full", b"x" * 100_000)


def test_bad_targets_are_refused_before_any_work(tmp_path):
    for target in (tmp_path, tmp_path / "no" / "x", "", "a\0b", "x" * 300):
        with pytest.raises(CannotCreateError) as caught:
            check_writable(str(target))
            atomic_write(str(target), b"")
        assert caught.value.exit_code == 73
    assert os.listdir(tmp_path) == []


def test_what_a_killed_writer_left_is_swept_and_living_ones_are_kept(tmp_path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    here, elsewhere = files._HOST, "0" * 8
    for host, pid in ((here, dead.pid), (here, os.getpid()), (elsewhere, dead.pid)):
        part = tmp_path / f".x.{host}.{pid}.0123abcd.part"
        part.write_bytes(b"")
        os.utime(part, (time.time() - 100,) * 2)
    atomic_write(tmp_path / "a", b"")
    kept = {f".x.{here}.{os.getpid()}.0123abcd.part", f".x.{elsewhere}.{dead.pid}.0123abcd.part"}
    assert set(leftovers(tmp_path)) == kept


def test_sigkill_while_overwriting_leaves_old_or_new(tmp_path):
    program = (
        "import sys; from tts.base.files import atomic_write\nprint('go', flush=True)\n"
        "while True:\n    for c in 'ab': atomic_write(sys.argv[1], c * 3_000_000, force=True)\n"
    )
    path = tmp_path / "a"
    for turn in range(5):
        child = subprocess.Popen([sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE, cwd=os.getcwd())
        child.stdout.readline()
        time.sleep(0.02 + 0.013 * turn)
        child.kill()
        child.wait()
        child.stdout.close()
        if path.exists():
            text = path.read_text()
            assert len(text) == 3_000_000 and len(set(text)) == 1


def test_text_is_strict_utf8(tmp_path):
    path = tmp_path / "t"
    path.write_bytes(b"\xef\xbb\xbfgr\xc3\xbcn")
    assert read_text(path) == "grün"
    path.write_bytes(b"abc\xe9")
    with pytest.raises(DataError) as caught:
        read_text(path)
    assert caught.value.pos == "byte 3" and "0xe9" in str(caught.value)
    with pytest.raises(ResourceError):
        read_text(path, limit=2)
    for missing in (tmp_path, tmp_path / "none", "a\0b"):
        with pytest.raises(NoInputError):
            read_text(missing)


def test_errors_survive_pickling_and_speak_json():
    import json
    import pickle

    error = DataError("bad.", where="f", pos=3, value="x\x1b" * 100, fix="mend it.", code="a.b")
    again = pickle.loads(pickle.dumps(error))
    assert (
        isinstance(again, DataError) and again.to_dict() == error.to_dict() and str(again) == str(error) == "f:3: bad. mend it."
    )
    shown = json.loads(error.to_json())
    assert shown["exit_code"] == 65 and len(shown["value"]) == 80 and "\x1b" not in shown["value"]
    assert str(TtsError("no stop", fix="Then fix.")) == "no stop. Then fix."
