import json
import subprocess
import sys

import pytest

from tradewind.show.cli import main
from tradewind.show.cli.entry import COMMANDS

GOAL = """
name: fraud
model: fraud.model:build
data: fraud.data:load
metric: average_precision
serve: {p99: 20 ms, load: 2000 rps}
budget: 500 usd/month
"""


def status(arguments):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    return stop.value.code or 0


def test_the_help_names_every_command_and_each_command_has_an_example(capsys):
    assert status(["--help"]) == 0
    listed = capsys.readouterr().out
    for name in COMMANDS:
        assert f"  {name} " in listed
        assert status([name, "--help"]) == 0
        text = capsys.readouterr().out
        assert "Example: " in text or "Commands:" in text, name


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["rum"], "No such command 'rum'; see tradewind --help"),
        (["goal", "chekc"], "Did you mean 'check'"),
        (["run"], "Missing argument 'goal_file'; see tradewind run --help"),
        (["run", "--jsn", "x"], "No such option: --jsn"),
        (["serve", "x", "--port", "99999"], "less than or equal to 65535"),
        (["run", "nowhere/goal.yaml"], "nowhere/goal.yaml: no such file; check the path"),
        (["catalog", "build"], "catalog build needs --from DIR"),
        (["catalog", "build", "--from", "nowhere"], "nowhere"),
    ],
)
def test_a_wrong_command_line_is_one_line_and_status_2(capsys, arguments, says):
    assert status(arguments) == 2
    said = capsys.readouterr().err
    assert says in said
    assert said.count("\n") == 1


def test_goal_check_reads_strictly_and_fills_in_the_defaults(tmp_path, capsys):
    path = tmp_path / "goal.yaml"
    path.write_text(GOAL)
    assert status(["goal", "check", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["confidence"] == 0.9
    path.write_text(GOAL.replace("budget", "bugdet"))
    assert status(["goal", "check", str(path)]) == 2
    assert "bugdet: unknown key; did you mean budget?" in capsys.readouterr().err


def test_the_schema_is_json(capsys):
    assert status(["goal", "schema"]) == 0
    assert json.loads(capsys.readouterr().out)["title"] == "Goal"


def test_our_own_bug_is_status_1_with_a_file_to_report(monkeypatch, capsys):
    import tradewind.show.cli.goal as command

    def broken(*arguments):
        raise RuntimeError("no such thing as this")

    monkeypatch.setattr(command.codec, "json_schema", broken)
    assert status(["goal", "schema"]) == 1
    said = capsys.readouterr().err
    assert (
        "this is a bug in tradewind: RuntimeError: no such thing as this; please report it with the file"
        in said
    )
    with open(said.split()[-1]) as report:
        assert "Traceback" in report.read()


def test_a_closed_pipe_is_no_error():
    done = subprocess.run(
        f'{sys.executable} -c \'from tradewind.show.cli import main; main(["goal", "schema"])\' | head -c 1',
        shell=True,
        capture_output=True,
        text=True,
    )
    assert (done.stdout, done.stderr) == ("{", "")
