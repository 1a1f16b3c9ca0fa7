import pytest

from tradewind.domain.goal import Goal
from tradewind.files import nouns
from tradewind.show.cli import main


def status(arguments):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    return stop.value.code or 0


@pytest.fixture
def project(tmp_path, monkeypatch):
    package = tmp_path / "shop"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "network.py").write_text("def build():\n    return None\n")
    (package / "tables.py").write_text("def load_data():\n    return {}\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_written_file_is_a_goal_that_names_the_model_and_the_data_beside_it(project, capsys):
    assert status(["init", "shop.network:build"]) == 0
    goal = nouns.read(project / "goal.yaml", Goal)
    assert (goal.name, goal.model, goal.data) == ("shop", "shop.network:build", "shop.tables:load_data")
    assert "tradewind run goal.yaml" in capsys.readouterr().out


def test_an_existing_file_is_never_overwritten(project, capsys):
    (project / "goal.yaml").write_text("mine")
    assert status(["init", "shop.network:build"]) == 2
    assert (project / "goal.yaml").read_text() == "mine"
    assert "exists already" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("reference", "says"),
    [
        ("shop.network:biuld", "did you mean build?"),
        ("shop.netwrok:build", "no module shop.netwrok"),
        ("shop.network", "names no callable"),
        ("model.onnx", "no such file"),
    ],
)
def test_what_is_not_there_is_one_line(project, capsys, reference, says):
    assert status(["init", reference]) == 2
    said = capsys.readouterr().err
    assert says in said
    assert said.count("\n") == 1
    assert not (project / "goal.yaml").exists()
