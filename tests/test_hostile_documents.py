"""No JSON, CSV or TOML file makes a command end in a traceback, whatever it holds; hashes of it are made right first.

Each kind of document has a sound example and what reads it. Mutants of the example (:mod:`mutants`) are put in its
place: the readers take them, or raise an error of this package.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from mutants import mutants, table_mutants
from prepared_sets import make_prepared
from run_folders import make_run

from sdd_bench.captures.layouts import read_layout
from sdd_bench.captures.truth import read_known_truth
from sdd_bench.cli.main import main
from sdd_bench.core.errors import ConfigError, SddBenchError
from sdd_bench.core.parallel import read_sealed, write_sealed
from sdd_bench.core.storage.claims import alone_in, begin
from sdd_bench.evaluation.prediction import prediction_of
from sdd_bench.leaderboard.text import compare_methods
from sdd_bench.prepared.export.options import ExportOptions
from sdd_bench.prepared.export.run import export
from sdd_bench.registration.light.transfer import Transfer

N = int(os.environ.get("SDD_BENCH_MUTANTS", "24"))
"""Mutants of each document; more are for a search by hand."""
SEED = int(os.environ.get("SDD_BENCH_SEED", "19"))
Call = Callable[[], object]


def _cli(*arguments: object) -> Call:
    """A command, which ends by an exit status, and says no traceback."""

    def call() -> None:
        result = CliRunner().invoke(main, [str(argument) for argument in arguments])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code in (0, 1, 2), result.output
        if result.exit_code == 2:
            said = [line for line in result.stderr.splitlines() if line.startswith(("error: ", "Error: "))]
            assert said, result.stderr

    return call


def _try(content: bytes, calls: dict[str, Call]) -> Iterator[str]:
    """What went wrong: an error that is not this package's."""
    for name, call in calls.items():
        try:
            call()
        except (SddBenchError, SystemExit):
            pass
        except Exception as error:
            yield f"{name}: {type(error).__name__}: {error!s:.200} for {content[:400]!r}"


def _check(path: Path, contents: Iterator[bytes], calls: dict[str, Call], reseal: Call = lambda: None) -> None:
    sound = path.read_bytes()
    found = []
    for content in contents:
        path.write_bytes(content)
        reseal()
        found += list(_try(content, calls))
    path.write_bytes(sound)
    reseal()
    assert not found, f"{len(found)} of {N}:\n" + "\n".join(found[:12])


def _mutants(path: Path) -> Iterator[bytes]:
    return mutants(json.loads(path.read_text(encoding="utf-8")), seed=SEED, n=N)


def _tables(path: Path) -> Iterator[bytes]:
    return table_mutants(path.read_text(encoding="utf-8"), seed=SEED, n=N)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prepared set."""
    return make_prepared(tmp_path_factory.mktemp("hostile"), n_train=1, test=("t1",))


def _of_set(root: Path, tmp_path: Path) -> dict[str, Call]:
    def exported() -> None:
        out = tmp_path / "export"
        shutil.rmtree(out, ignore_errors=True)
        export(root, out, ExportOptions(format="imagefolder"))

    return {"info": _cli("info", root), "validate": _cli("validate", root), "export": exported}


def test_the_manifest_of_a_set(prepared: Path, tmp_path: Path) -> None:
    path = prepared / "dataset.json"
    _check(path, _mutants(path), _of_set(prepared, tmp_path))


def test_the_table_of_pairs_with_its_right_sha256(prepared: Path, tmp_path: Path) -> None:
    path, manifest = prepared / "pairs.csv", prepared / "dataset.json"
    sound = json.loads(manifest.read_text())

    def reseal() -> None:
        manifest.write_text(json.dumps(sound | {"pairs_sha256": hashlib.sha256(path.read_bytes()).hexdigest()}))

    _check(path, _tables(path), _of_set(prepared, tmp_path), reseal)


def test_the_truth_of_a_pair(tmp_path: Path) -> None:
    path = tmp_path / "0001.json"
    values = {"width": 96, "height": 64, "zoom": 1.03, "rotation_deg": 0.1, "shift_x_px": 5.0, "shift_y_px": -3.0}
    path.write_text(json.dumps(values | {"coc_diameter_px": {"mean": 4.5, "max": 9.0}, "exposure": 1.0}))
    _check(path, _mutants(path), {"evaluate": lambda: read_known_truth(path)})


def _reseal_run(run: Path) -> None:
    files = {name: hashlib.sha256((run / name).read_bytes()).hexdigest() for name in ("per_image.csv", "summary.json")}
    (run / "run.json").write_text(json.dumps({"schema": 1, "files": files}))


def _of_run(run: Path, tmp_path: Path) -> dict[str, Call]:
    boards, page = tmp_path / "boards", tmp_path / "page"
    other = make_run(tmp_path / "other", method="Other", seed=5)

    def added(*more: object) -> Call:
        def call() -> None:
            shutil.rmtree(boards, ignore_errors=True)
            shutil.rmtree(page, ignore_errors=True)
            _cli("leaderboard", "add", run, "--leaderboards", boards, *more)()
            if boards.is_dir():
                _cli("leaderboard", "render", "--leaderboards", boards, "-o", page)()
                _cli("leaderboard", "verify", "--leaderboards", boards)()

        return call

    return {
        "info": _cli("info", run),
        "validate": _cli("validate", run),
        "check": _cli("leaderboard", "check", run),
        "add": added(),
        "compare": lambda: compare_methods([str(run), str(other)], leaderboards=boards),
    }


@pytest.mark.parametrize("name", ["summary.json", "per_image.csv"])
def test_the_files_of_a_run_with_their_right_sha256(tmp_path: Path, name: str) -> None:
    run = make_run(tmp_path / "run", images=["a", "b", "c"])
    path = run / name
    found = _tables(path) if name.endswith("csv") else _mutants(path)
    _check(path, found, _of_run(run, tmp_path), lambda: _reseal_run(run))


def test_the_seal_of_a_run(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", images=["a", "b", "c"])
    _check(run / "run.json", _mutants(run / "run.json"), _of_run(run, tmp_path))


@pytest.mark.slow
def test_a_table_and_what_is_kept_beside_it(tmp_path: Path) -> None:
    boards, page = tmp_path / "boards", tmp_path / "page"
    run = make_run(tmp_path / "run", images=["a", "b", "c"])
    _cli("leaderboard", "add", run, "--leaderboards", boards)()
    (table,) = boards.glob("*.csv")
    calls = {
        "render": _cli("leaderboard", "render", "--leaderboards", boards, "-o", page),
        "verify": _cli("leaderboard", "verify", "--leaderboards", boards),
        "export": _cli("leaderboard", "export", "--leaderboards", boards, "--format", "json"),
    }
    _check(table, _tables(table), calls)
    for path in sorted((boards / "runs").glob("*.json")):
        _check(path, _mutants(path), calls)


def test_what_predict_says_of_its_files(tmp_path: Path) -> None:
    picture = tmp_path / "0001.png"
    picture.write_bytes(b"pixels")
    made = {"0001": {"sha256": hashlib.sha256(b"pixels").hexdigest(), "seconds": 1.5, "megapixels": 0.5}}
    seal = {"schema": 1, "model": "unet", "sha256": "00", "params": 5, "device": "cpu", "pictures": {}, "made": made}
    path = tmp_path / "predict.json"
    path.write_text(json.dumps(seal))
    _check(path, _mutants(path), {"evaluate": lambda: prediction_of({"0001": picture})})


def test_the_seal_of_an_export(prepared: Path, tmp_path: Path) -> None:
    out = tmp_path / "export"
    export(prepared, out, ExportOptions(format="imagefolder"))
    again: Call = lambda: export(prepared, out, ExportOptions(format="imagefolder"))  # noqa: E731
    calls = {"info": _cli("info", out), "validate": _cli("validate", out), "again": again}
    _check(out / "export.json", _mutants(out / "export.json"), calls)
    table = next(out.rglob("metadata.jsonl"))
    line = json.loads(table.read_text().splitlines()[0])
    _check(table, mutants(line, seed=SEED, n=N), {"info": _cli("info", out), "read": lambda: read_layout(out)})


@pytest.mark.slow
def test_the_files_of_a_training_run(tmp_path: Path) -> None:
    run = tmp_path / "run"
    (run / "checkpoints").mkdir(parents=True)
    documents = {
        "options.json": {"schema": 1, "data_sha256": "00", "config": {"vanilla": True, "width": 8}, "data": "/no/set"},
        "result.json": {"step": 4, "best_step": 2, "best_psnr": 30.5},
        "best.json": {"step": 2, "psnr": 30.5},
    }
    for name, values in documents.items():
        (run / name).write_text(json.dumps(values))
    (run / "config.toml").write_text("vanilla = true\nwidth = 8\n")
    calls = {
        "info": _cli("info", run),
        "validate": _cli("validate", run),
        "resume": _cli("train-jdrl", "-o", run, "--resume"),
    }
    for name in documents:
        _check(run / name, _mutants(run / name), calls)


def test_options_in_toml(tmp_path: Path) -> None:
    path = tmp_path / "options.toml"
    path.write_text("")
    deep = "a = " + "[" * 5000 + "]" * 5000
    tables = "[" + ".".join(["a"] * 3000) + "]\nb = 1"
    inline = "a = " + "{b = " * 2000 + "1" + "}" * 2000
    values = [
        "patch = 1e999",
        "patch = " + "9" * 5000,
        "patch = nan",
        "patch = [[]]",
        "patch = {}",
        "\x00",
        "resize = 3",
    ]
    contents = [deep, tables, inline, *values, "patch = 1979-05-27", "[patch]\na = 1", "drop = inf", "\ud800"]
    encoded = (text.encode("utf-8", "surrogatepass") for text in contents)
    _check(path, encoded, {"prepare": _cli("prepare", tmp_path, tmp_path / "out", "--config", path, "--dry-run")})


def test_pictures_that_a_table_or_metadata_name(tmp_path: Path) -> None:
    root = tmp_path / "set"
    for name in ("train/a.png", "train/b.png", "test/in/1.png", "test/gt/1.png"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")
    pairs = root / "pairs.csv"
    pairs.write_text("blurry,sharp,split,scene\ntrain/a.png,train/b.png,train,x\ntest/in/1.png,test/gt/1.png,test,y\n")
    _check(pairs, _tables(pairs), {"info": _cli("info", pairs), "read": lambda: read_layout(pairs)})
    pairs.unlink()
    scene = root / "test" / "metadata" / "1.json"
    scene.parent.mkdir()
    values = {"id": 1, "source_image": "gt/1.png", "target_images": ["in/1.png"], "target_avs": [2.0]}
    scene.write_text(json.dumps(values))
    _check(scene, _mutants(scene), {"info": _cli("info", root), "read": lambda: read_layout(root)})


def test_lines_of_metadata(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(b"")
    path = tmp_path / "metadata.jsonl"
    line = {"blurry_file_name": "a.png", "sharp_file_name": "b.png", "split": "test", "f_number": 2.0}
    path.write_text(json.dumps(line))
    _check(path, _mutants(path), {"info": _cli("info", tmp_path), "read": lambda: read_layout(tmp_path)})


def test_the_scenes_of_a_set(tmp_path: Path) -> None:
    for side in ("blur", "gt"):
        (tmp_path / "test" / side).mkdir(parents=True)
        (tmp_path / "test" / side / "1.png").write_bytes(b"")
    path = tmp_path / "scenes.csv"
    path.write_text("split,name,scene,group\ntest,1,garden,day\n")
    _check(path, _tables(path), {"info": _cli("info", tmp_path), "read": lambda: read_layout(tmp_path)})


def test_a_transfer_of_light() -> None:
    for content in mutants(json.loads(Transfer().to_json()), seed=SEED, n=N):
        try:
            Transfer.from_json(content.decode("utf-8", "surrogateescape"))
        except ConfigError:
            continue


def test_the_seal_of_a_folder_and_a_sealed_record(tmp_path: Path) -> None:
    with alone_in(tmp_path):
        seal = {"schema": 1, "options": {"a": [1, 2]}, "pictures": {"1": "00"}}
        begin(tmp_path, "run.json", seal, what="a run")
        path = tmp_path / "run.json"
        _check(path, _mutants(path), {"begin": lambda: begin(tmp_path, "run.json", seal, what="a run")})
    record = tmp_path / "record.json"
    write_sealed(record, {"key": "k", "value": {"psnr": 30.5}})
    for content in _mutants(record):
        record.write_bytes(content)
        assert read_sealed(record, "k", lambda values: float(values["value"]["psnr"])) in (None, 30.5)


def test_the_mutants_are_the_same_every_time() -> None:
    document = {"a": [1, {"b": "text"}], "c": None}
    first, second = (list(mutants(document, seed=3, n=40)) for _ in range(2))
    assert first == second
    assert len(set(first)) > 25
