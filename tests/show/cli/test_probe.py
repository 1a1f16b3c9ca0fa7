"""tradewind probe: what it prints, and that it says why something is missing."""

import io
import re
import socket

import pytest
from rich.cells import cell_len
from rich.console import Console

from tradewind.domain import codec
from tradewind.domain.host import Gpu, Host, Product, Reduction, Stream
from tradewind.domain.noun import Rejected
from tradewind.show import tables
from tradewind.show.cli import main

SHAPES = ((1024, 1024, 1024), (8192, 8192, 8192), (32, 8192, 8192))
RATES = {"fp32": 5e13, "tf32": 4e14, "bf16": 7.5e14, "fp16": 7.4e14, "fp8": 1.4e15, "int8": 1.3e15}


def products(rates, cores, shapes=SHAPES):
    return tuple(
        Product(
            precision=precision, cores=count, rows=m, inner=k, columns=n, seconds=2.0 * m * k * n / rate / count
            if count else 2.0 * m * k * n / rate,
        )
        for precision, rate in rates.items()
        for count in cores
        for m, k, n in shapes
    )  # fmt: skip


GPU = Gpu(
    name="NVIDIA H100 80GB HBM3",
    memory_bytes=85_000_000_000,
    products=products(RATES, (0,)),
    streams=tuple(
        Stream(what="copy", cores=0, bytes_in_use=size, bytes_per_s=rate)
        for size, rate in ((2**22, 4.1e12), (2**26, 3.2e12), (2**30, 2.9e12))
    ),
    kernel_latency_s=1.4e-6,
    kernel_launch_s=4.2e-6,
    from_host_bytes_per_s=5.5e10,
    to_host_bytes_per_s=5.3e10,
)
HOST = Host(
    cpu_model="Intel(R) Xeon(R) Platinum 8481C CPU @ 2.70GHz",
    cpu_vendor="Intel",
    cpu_architecture="x86_64",
    physical_cores=104,
    logical_cores=208,
    ghz=2.7,
    isa=("amx_bf16", "amx_int8", "avx2", "avx512", "avx512_bf16", "avx512_vnni"),
    memory_bytes=2 * 2**40,
    memory_bandwidth_bytes_per_s=3.9e11,
    gemm_flops_per_s_per_core=1.6e11,
    accelerators=("NVIDIA H100 80GB HBM3",) * 8,
    products=products({"fp32": 1.6e11, "bf16": 1.9e12, "int8": 3.1e12}, (1, 104)),
    streams=tuple(
        Stream(what=what, cores=cores, bytes_in_use=size, bytes_per_s=5e11 / (size / 2**18) ** 0.3 * cores**0.5)
        for cores in (1, 104)
        for size in (2**18, 2**20, 2**22, 2**24, 2**26, 2**29)
        for what in ("read", "copy")
        if size >= cores * 2**18
    ),
    reductions=tuple(
        Reduction(library=library, members=members, bytes_each=size, seconds=2e-5 + size / rate)
        for library, members, rate, sizes in (
            ("gloo", 2, 2e9, (2**16, 2**20, 2**23, 2**26)),
            ("nccl", 8, 2.4e11, (2**12, 2**16, 2**20, 2**24, 2**28)),
        )
        for size in sizes
    ),
    disk_folder="/home/somebody/with/a/rather/long/path/to/the/runs",
    disk_write_bytes_per_s=1.2e9,
    disk_read_bytes_per_s=3.4e9,
    loopback_bytes_per_s=4.1e9,
    loopback_round_trip_s=1.6e-5,
    peer="10.0.0.7:5201",
    peer_bytes_per_s=1.2e10,
    peer_round_trip_s=4e-5,
    gpus=(GPU,) * 8,
    unmeasured=(Rejected(name="fp8 products on cuda:0", reason="not finished within 25 s"),),
    load_per_core=1.7,
    probe_s=48.2,
)  # fmt: skip


def printed(host, width):
    written = io.StringIO()
    Console(width=width, highlight=False, no_color=True, file=written).print(tables.host(host))
    return written.getvalue()


@pytest.mark.parametrize("width", [80, 100])
def test_everything_fits_and_no_number_is_folded(width):
    said = printed(HOST, width)
    assert all(cell_len(line) <= width for line in said.splitlines())
    # One line a shape, of the processor's products and of the GPU's.
    assert len(re.findall(r"^ *8192³ +[\d.,]+(?: +[\d.,]+){5} *$", said, re.MULTILINE)) == 2
    assert "8 × NVIDIA H100 80GB HBM3" in said
    assert "measured in 48.2 s" in said


def test_what_is_missing_or_disturbed_is_said():
    said = " ".join(printed(HOST, 100).split())
    assert "not measured fp8 products on cuda:0: not finished within 25 s" in said
    assert "others used the machine (1.7 processes a core)" in said


def status(*arguments):
    with pytest.raises(SystemExit) as stop:
        main(["probe", *arguments])
    return stop.value.code or 0


def test_the_quick_probe_prints_json_alone(capsys):
    assert status("--quick", "--json") == 0
    said = capsys.readouterr()
    host = codec.decode(said.out.encode(), Host, source="standard output")
    assert host.products == ()
    assert host.probe_s is None
    assert said.err == ""


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--peer", "nonsense"), "write host:port"),
        (("--peer", "host:99999"), "write host:port"),
        (("--folder", "/nowhere/at/all"), "no folder of that name"),
        (("--serve-peer", "99999"), "less than or equal to 65535"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(capsys, arguments, says):
    assert status(*arguments) == 2
    said = capsys.readouterr().err
    assert says in said
    assert said.count("\n") == 1


def test_a_port_in_use_is_said(capsys):
    with socket.create_server(("", 0)) as taken:
        assert status("--serve-peer", str(taken.getsockname()[1])) == 2
    assert "choose another port" in capsys.readouterr().err
