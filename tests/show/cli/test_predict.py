"""tradewind predict on tables: columns are added, rows keep their order, nothing is lost."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from tradewind.domain.host import Gpu, Host
from tradewind.files import nouns
from tradewind.show.cli import main

TABLE = """model,gpus,gpu_type,seq,global_batch,micro_batch,zero_stage,framework,step_time_s,notes
llama3-8b,8,H100-SXM,8192,16,1,3,torchtitan FSDP2,2.9,"a note, with a comma"
nothing known,8,H100-SXM,8192,16,1,3,torchtitan FSDP2,1.0,
mpt-7b,8,A100-SXM-80GB,2048,96,6,3,llm-foundry FSDP flash-attn,5.2951,
"""


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as stopped:
        main(list(arguments))
    code = stopped.value.code
    return int(code) if code else 0


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "train.csv"
    path.write_text(TABLE)
    return path


def test_rows_keep_their_order_and_none_is_dropped(table: Path, tmp_path: Path) -> None:
    out = tmp_path / "predictions.csv"
    assert run("predict", str(table), "--out", str(out)) == 0
    before, after = read(table), read(out)
    assert [{name: row[name] for name in before[0]} for row in after] == before
    assert float(after[0]["pred_low"]) < float(after[0]["pred_step_time_s"]) < float(after[0]["pred_high"])
    assert float(after[0]["pred_mem_gib_per_gpu"]) > 1.0
    assert after[0]["pred_fits"] in ("yes", "no")
    assert after[1]["pred_step_time_s"] == ""
    assert "nothing known" in after[1]["because"]
    assert float(after[2]["pred_step_time_s"]) == pytest.approx(5.2951, rel=0.35)


def test_predicting_again_replaces_the_columns(table: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "first.csv", tmp_path / "second.csv"
    assert run("predict", str(table), "--out", str(first)) == 0
    assert run("predict", str(first), "--out", str(second)) == 0
    assert second.read_text() == first.read_text()


def test_scores_stand_beside_a_constant_mfu(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("predict", str(table), "--score", "--json") == 0
    found = json.loads(capsys.readouterr().out)["train"]
    assert (found["rows"], found["compared"]) == (3, 2)
    assert 0.0 <= found["median"] <= found["p90"]
    assert found["constant_median"] > 0.0
    assert run("predict", str(table), "--score") == 0
    assert "constant MFU" in capsys.readouterr().out


def test_tables_of_inference_are_told_in_milliseconds(tmp_path: Path) -> None:
    path = tmp_path / "infer.csv"
    path.write_text(
        "model,family,gmacs,macts_m,params,batch,gpus,device,precision,framework,seq_in,seq_out,latency_ms\n"
        "resnet50,timm,4.09,11.1,25600000,256,1,RTX-3090,amp,PyTorch 2.0 eager nchw,,,\n"
    )
    out = tmp_path / "out.csv"
    assert run("predict", str(path), "--out", str(out)) == 0
    row = read(out)[0]
    assert row["pred_step_time_s"] == ""
    assert 20.0 < float(row["pred_low"]) < float(row["pred_latency_ms"]) < float(row["pred_high"]) < 1000.0


def test_what_is_no_table_is_one_clear_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("predict", str(tmp_path / "missing.csv")) == 2
    assert "no such file" in capsys.readouterr().err
    empty = tmp_path / "empty.csv"
    empty.write_text("")
    assert run("predict", str(empty)) == 2
    assert "no header" in capsys.readouterr().err


def test_own_runs_pull_predictions_towards_what_they_measured(table: Path, tmp_path: Path) -> None:
    plain, learnt = tmp_path / "plain.csv", tmp_path / "learnt.csv"
    assert run("predict", str(table), "--out", str(plain)) == 0
    before = float(read(plain)[0]["pred_step_time_s"])
    runs = tmp_path / "runs.csv"
    line = "llama3-8b,8,H100-SXM,8192,16,1,3,torchtitan FSDP2,{},\n"
    runs.write_text(TABLE.splitlines()[0] + "\n" + line.format(1.3 * before) * 4)
    assert run("predict", str(table), "--observed", str(runs), "--out", str(learnt)) == 0
    after = read(learnt)[0]
    assert before < float(after["pred_step_time_s"]) <= 1.31 * before
    runs.write_text(TABLE.splitlines()[0] + "\n" + line.format(""))
    assert run("predict", str(table), "--observed", str(runs)) == 2


def test_a_probed_machine_changes_only_rows_about_its_device(table: Path, tmp_path: Path) -> None:
    plain, probed = tmp_path / "plain.csv", tmp_path / "probed.csv"
    slow = Gpu(name="NVIDIA H100 80GB HBM3", memory_bytes=80 * 2**30, kernel_latency_s=6e-6)
    host = Host(
        cpu_model="Xeon", cpu_vendor="Intel", cpu_architecture="x86_64", physical_cores=4, logical_cores=8, ghz=None,
        isa=(), memory_bytes=2**34, memory_bandwidth_bytes_per_s=1e10, gemm_flops_per_s_per_core=1e11, gpus=(slow,),
    )  # fmt: skip
    nouns.write(tmp_path / "host.json", host)
    assert run("predict", str(table), "--out", str(plain)) == 0
    assert run("predict", str(table), "--host", str(tmp_path / "host.json"), "--out", str(probed)) == 0
    before, after = read(plain), read(probed)
    assert float(after[0]["pred_step_time_s"]) > float(before[0]["pred_step_time_s"])
    assert after[2] == before[2]
