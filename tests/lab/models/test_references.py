from __future__ import annotations

import sys

import pytest

from tradewind.domain.errors import DataError, InputError
from tradewind.lab.models.references import Reference, importing, one_line


def call(folder, text="small.entry:make"):
    reference = Reference.parse(text, key="data", error=DataError)
    with importing(reference, folder, key="data", error=DataError) as function:
        return function()


def write(folder, **sources):
    (folder / "small").mkdir(parents=True, exist_ok=True)
    for name, source in sources.items():
        (folder / "small" / f"{name}.py").write_text(source)
    return folder


ENTRY = "from small.part import value\ndef make():\n    return value\n"


def test_two_folders_with_modules_of_the_same_name_are_not_confused(tmp_path):
    one = write(tmp_path / "one", entry=ENTRY, part="value = 1\n")
    two = write(tmp_path / "two", entry=ENTRY, part="value = 2\n")
    assert [call(one), call(two), call(one)] == [1, 2, 1]


def test_a_folder_without_init_file_goes_before_a_module_of_that_name_elsewhere(tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/small.py").write_text("wrong = True\n")
    monkeypatch.syspath_prepend(tmp_path / "elsewhere")
    folder = write(tmp_path / "goal", entry=ENTRY, part="value = 3\n")
    assert call(folder) == 3
    other = write(tmp_path / "other", entrance="def make():\n    return 4\n")
    assert call(other, "small.entrance:make") == 4
    assert call(folder) == 3


def test_a_changed_source_is_imported_anew_and_an_unchanged_one_is_kept(tmp_path):
    folder = write(tmp_path, entry=ENTRY, part="value = []\n")
    first = call(folder)
    assert call(folder) is first
    write(tmp_path, part="value = [1]\n")
    assert call(folder) == [1]


def test_nothing_stays_behind(tmp_path):
    path, bytecode = list(sys.path), sys.dont_write_bytecode
    folder = write(tmp_path, entry=ENTRY, part="value = 1\n")
    call(folder)
    assert sys.path == path
    assert sys.dont_write_bytecode is bytecode
    assert not list(folder.rglob("*.pyc")), "importing must leave no files in the user's folder"


def test_imports_inside_the_callable_find_the_folder(tmp_path):
    lazy = "def make():\n    from small.part import value\n    return value\n"
    assert call(write(tmp_path, entry=lazy, part="value = 5\n")) == 5


@pytest.mark.parametrize(
    "text", ["small.data", ":load", "small.data:", "a-b:c", "small.data:load()", "a:b:c"]
)
def test_what_is_no_reference_is_refused(text):
    with pytest.raises(InputError, match="write module:callable"):
        Reference.parse(text, key="data", error=InputError)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("small.entri:make", "there is no module 'small.entri' in .*; did you mean small.entry?"),
        ("smal.entry:make", "there is no module 'smal' in .*; did you mean small.entry?"),
        ("small.entry:mak", "small.entry has no 'mak'; did you mean make?"),
        ("small.entry:SIZE", "small.entry:SIZE is int, not callable"),
        ("small.needs:make", r"ModuleNotFoundError: No module named 'absent_library' \(small/needs.py:1\)"),
        ("small.broken:make", r"SyntaxError: .* \(small/broken.py:2\)"),
        ("small.raises:make", r"cannot be imported: RuntimeError: no licence \(small/raises.py:3\)"),
    ],
)
def test_what_cannot_be_found_or_imported_is_one_line(tmp_path, text, message):
    folder = write(
        tmp_path,
        entry="SIZE = 3\ndef make():\n    return SIZE\n",
        needs="import absent_library\n",
        broken="x = 1\ndef make(:\n",
        raises="def check():\n    # why\n    raise RuntimeError('no licence')\ncheck()\n",
    )
    with pytest.raises(DataError, match=message) as error:
        call(folder, text)
    assert "\n" not in str(error.value)


def test_long_messages_are_shortened():
    assert len(one_line("word " * 500)) == 300
