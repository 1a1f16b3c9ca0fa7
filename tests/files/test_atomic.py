import os
import signal
import subprocess
import sys
import time

import pytest

from tradewind.domain.errors import ResourceError
from tradewind.files import atomic


def test_a_file_is_whole_or_old_when_the_writer_is_killed(tmp_path):
    target = tmp_path / "value"
    script = (
        "import sys, pathlib; from tradewind.files import atomic\n"
        "path = pathlib.Path(sys.argv[1]); n = 0\n"
        "while True:\n"
        "    n += 1; atomic.write_bytes(path, (str(n) + ' ').encode() * 50_000)\n"
    )
    for _ in range(3):
        writer = subprocess.Popen([sys.executable, "-c", script, str(target)])
        while not target.exists():
            time.sleep(0.01)
        time.sleep(0.05)
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        words = target.read_text().split()
        assert len(words) == 50_000
        assert len(set(words)) == 1


def test_a_folder_appears_whole_or_not_at_all(tmp_path):
    target = tmp_path / "folder"
    with pytest.raises(ValueError, match="stop"), atomic.folder(target) as inside:  # noqa: PT012
        (inside / "a").write_text("1")
        raise ValueError("stop")
    assert list(tmp_path.iterdir()) == []
    with atomic.folder(target) as inside:
        (inside / "a").write_text("1")
    with atomic.folder(target) as inside:
        (inside / "a").write_text("2")
    assert (target / "a").read_text() == "1", "a folder is named by its content: the first one stays"
    assert list(tmp_path.iterdir()) == [target]


def test_a_file_size_limit_leaves_the_old_file_and_one_line(tmp_path):
    target = tmp_path / "value"
    target.write_text("old")
    script = (
        "import resource, signal, sys, pathlib; from tradewind.files import atomic\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "atomic.write_bytes(pathlib.Path(sys.argv[1]), b'x' * 100_000)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(target)], capture_output=True, text=True)
    assert "ResourceError" in done.stderr
    assert "size limit" in done.stderr
    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["value"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_disk_is_one_line(tmp_path):
    with (
        pytest.raises(ResourceError, match="the disk is full; free some space"),
        atomic.refusing(tmp_path),
        open("/dev/full", "wb", buffering=0) as full,
    ):
        full.write(b"x")
