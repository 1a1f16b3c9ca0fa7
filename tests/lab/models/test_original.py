from __future__ import annotations

import subprocess
import sys

import msgspec
import numpy as np
import pytest

from tradewind.domain.errors import ModelError
from tradewind.domain.variant import Variant
from tradewind.files import nouns
from tradewind.lab.engines import load, read_golden, verify_golden
from tradewind.lab.models import load_data, load_network, original

ATTENTION_MODEL = """
import torch
from torch import nn

class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(50, 16)
        self.mix = nn.Linear(16, 48)
        self.norm = nn.LayerNorm(16)
        self.head = nn.Linear(16, 2)

    def forward(self, attention_mask, input_ids):
        x = self.embed(input_ids)
        rows, length, width = x.shape
        q, k, v = self.mix(x).view(rows, length, 3, 2, 8).permute(2, 0, 3, 1, 4)
        seen = attention_mask[:, None, None, :].bool()
        y = nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=seen)
        pooled = self.norm(x + y.transpose(1, 2).reshape(rows, length, width)).mean(1)
        return {"logits": self.head(pooled), "pooled": pooled, "loss": None}

def build():
    return Encoder()
"""

TOKENS = """
import numpy as np

def load():
    generator = np.random.default_rng(0)
    def split(rows):
        ids = generator.integers(0, 50, (rows, 7))
        return {"inputs": {"input_ids": ids, "attention_mask": np.ones_like(ids)}, "labels": ids[:, 0] % 2}
    return {"train": split(8), "calibration": split(8), "test": split(12)}
"""


def make(goal, folder):
    return original(goal, folder, load_data(goal, folder), folder / "variants")


def test_the_original_is_whole_and_loads_without_the_source(mlp):
    variant, folder, _ = mlp
    assert nouns.read(folder / "manifest.json", Variant) == variant
    assert variant.recipe == ()
    assert (variant.format, variant.runtime.engine, variant.runtime.precision) == ("pt2", "torch", "fp32")
    assert variant.parameters == 6 * 16 + 16 + 16 * 2 + 2
    assert folder.name == variant.id
    assert sorted(path.name for path in folder.parent.iterdir()) == [variant.id], "no scratch stays behind"
    script = f"""
from pathlib import Path
from tradewind.domain.variant import Variant
from tradewind.files import nouns
from tradewind.lab.engines import load, verify_golden
folder = Path({str(folder)!r})
variant = nouns.read(folder / "manifest.json", Variant)
verify_golden(folder, variant, load(folder, variant, threads=1))
"""
    subprocess.run([sys.executable, "-c", script], check=True, cwd="/")


def test_the_same_source_and_seed_give_the_same_id(mlp, make_goal, project):
    variant, _, _ = mlp
    folder = project()
    assert make(make_goal(), folder).id == variant.id
    other = msgspec.structs.replace(make_goal(), seed=1)
    assert make(other, folder).id != variant.id, "the weights are random, from the goal's seed"


def test_named_inputs_and_several_outputs_keep_their_names(make_goal, project):
    folder = project(model=ATTENTION_MODEL, data=TOKENS)
    goal = make_goal()
    variant = make(goal, folder)
    assert [(s.name, s.dtype, s.shape) for s in variant.inputs] == [
        ("input_ids", "int64", (None, 7)),
        ("attention_mask", "int64", (None, 7)),
    ]
    assert [(s.name, s.shape) for s in variant.outputs] == [("logits", (None, 2)), ("pooled", (None, 16))]
    place = folder / "variants" / variant.id
    session = load(place, variant, threads=1)
    verify_golden(place, variant, session)
    # Every row is answered alike, alone and among others.
    inputs, outputs = read_golden(place, variant)
    for row in range(3):
        alone = session.run({name: array[row : row + 1] for name, array in inputs.items()})
        np.testing.assert_allclose(alone["logits"][0], outputs["logits"][row], atol=1e-5)


HEAD = "import torch\n"


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("def build():\n    return 3\n", "small.model:build returned int, not a torch.nn.Module"),
        (
            HEAD + "def build():\n    return torch.nn.Linear\n",
            "returned type, not a torch.nn.Module; return an object",
        ),
        (
            "def build():\n    raise OSError('no weights')\n",
            r"raised OSError: no weights \(small/model.py:2\)",
        ),
        ("def biuld():\n    pass\n", "small.model has no 'build'; did you mean biuld?"),
        (
            HEAD + "def build():\n    return torch.nn.Linear(5, 2)\n",
            r"failed on x float32 \[64, 6\]: RuntimeError",
        ),
        (
            HEAD + "def build():\n    return torch.nn.Linear(6, 2).double()\n",
            "float64 weights; convert it with .float",
        ),
        (
            HEAD + "class Net(torch.nn.Module):\n    def forward(self, x):\n        if x.sum() > 0:\n"
            "            return x * 2\n        return x\ndef build():\n    return Net()\n",
            r"cannot be exported: its control flow depends on the values of a tensor \(small/model.py:4\)",
        ),
        (
            HEAD + "class Net(torch.nn.Module):\n    def forward(self, x):\n"
            "        return torch.stack([row * 2 for row in x])\ndef build():\n    return Net()\n",
            "it works only with the number of rows of its example; do not loop over the first dimension",
        ),
        (
            HEAD + "class Net(torch.nn.Module):\n    def forward(self, x):\n"
            "        return x + torch.zeros(64, 6)[: x.shape[0]]\ndef build():\n    return Net()\n",
            "it takes at most 64 rows at once",
        ),
        (
            HEAD + "class Net(torch.nn.Module):\n    def forward(self, x):\n"
            "        return x + torch.rand_like(x)\ndef build():\n    return Net()\n",
            "output of the exported network differs by .*; does it depend on chance",
        ),
        (
            HEAD + "class Net(torch.nn.Module):\n    def forward(self, x):\n        return x.mean()\n"
            "def build():\n    return Net()\n",
            r"output has the shape \[\] for 64 rows; its first dimension must be the row",
        ),
        (
            HEAD + "class Net(torch.nn.Module):\n    def forward(self, x):\n        return 'yes'\n"
            "def build():\n    return Net()\n",
            "forward returned str; return a tensor",
        ),
        (
            HEAD + "class Net(torch.nn.Module):\n    def forward(self, x):\n        return x / 0\n"
            "def build():\n    return Net()\n",
            "output holds NaN or infinity on the test rows",
        ),
    ],
)
def test_a_network_that_cannot_be_used_is_one_line(make_goal, project, model, message):
    folder = project(model=model)
    with pytest.raises(ModelError, match=message) as error:
        make(make_goal(), folder)
    assert "\n" not in str(error.value)
    assert not list((folder / "variants").glob("*")), "nothing half-made stays behind"


def test_a_network_that_counts_its_calls_still_answers(make_goal, project):
    model = HEAD + (
        "class Net(torch.nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        "        self.register_buffer('calls', torch.zeros(()))\n"
        "    def forward(self, x):\n        self.calls += 1\n        return x * 2\n"
        "def build():\n    return Net()\n"
    )
    folder = project(model=model)
    variant = make(make_goal(), folder)
    session = load(folder / "variants" / variant.id, variant, threads=1)
    x = np.ones((3, 6), np.float32)
    for _ in range(3):
        np.testing.assert_array_equal(session.run({"x": x})["output"], 2 * x)


def test_inputs_that_forward_does_not_take_are_named(make_goal, project):
    model = HEAD + "class Net(torch.nn.Module):\n    def forward(self, left, right):\n        return left\n"
    folder = project(model=model + "def build():\n    return Net()\n", data=TOKENS)
    with pytest.raises(
        ModelError, match="forward takes left, right, the data has the inputs input_ids, attention"
    ):
        make(make_goal(), folder)


def test_an_exported_program_is_taken_from_its_file(mlp, make_goal, project):
    variant, place, inputs = mlp
    folder = project()
    (folder / "net.pt2").write_bytes((place / "model.pt2").read_bytes())
    again = make(make_goal(model="net.pt2"), folder)
    session = load(folder / "variants" / again.id, again, threads=1)
    expected = load(place, variant, threads=1).run(inputs)["output"]
    np.testing.assert_allclose(session.run(inputs)[again.outputs[0].name], expected, atol=1e-6)


def test_a_missing_or_damaged_file_is_one_line(make_goal, tmp_path):
    (tmp_path / "nets").mkdir()
    (tmp_path / "nets/model.pt2").write_bytes(b"nothing")
    with pytest.raises(ModelError, match=r"no such file; did you mean nets/model.pt2\?"):
        load_network(make_goal(model="nets/modell.pt2"), tmp_path)
    with pytest.raises(ModelError, match="is no exported program"):
        load_network(make_goal(model="nets/model.pt2"), tmp_path)
    with pytest.raises(ModelError, match=r"'net\.pth' cannot be read; write module:callable"):
        load_network(make_goal(model="net.pth"), tmp_path)
