import json
import subprocess
import sys

import pytest

from tradewind.domain.errors import ResourceError
from tradewind.domain.plan import Event
from tradewind.files.runs import RunFolder

HOLD = (
    "import sys, pathlib; from tradewind.files.runs import RunFolder\n"
    "with RunFolder(pathlib.Path(sys.argv[1])).alone():\n"
    "    print('holding', flush=True); sys.stdin.read()\n"
)


def test_one_process_works_in_a_folder_and_its_death_frees_it(tmp_path):
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout.readline() == "holding\n"
    with pytest.raises(ResourceError, match=f"process {holder.pid}"), RunFolder(tmp_path).alone():
        pass
    holder.kill()
    holder.communicate()
    with RunFolder(tmp_path).alone():
        pass


def test_events_are_lines_of_json(tmp_path):
    folder = RunFolder(tmp_path)
    folder.note(Event(at="2026-01-01T00:00:00Z", what="started"))
    folder.note(Event(at="2026-01-01T00:00:01Z", what="done", detail="é"))
    lines = [json.loads(line) for line in folder.events.read_text().splitlines()]
    assert [line["what"] for line in lines] == ["started", "done"]
