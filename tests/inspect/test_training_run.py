"""Training runs, their checkpoints and programs: what they say, and what is wrong with them."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from prepared_sets import flip_byte, make_prepared
from safetensors.torch import load_file, save_file

from sdd_bench.core.errors import ManifestError, SddBenchError, WeightsError
from sdd_bench.core.storage.files import sha256_of
from sdd_bench.inspect.describe import describe
from sdd_bench.inspect.kinds import Kind
from sdd_bench.inspect.validate import validate
from sdd_bench.training.config import TrainConfig
from sdd_bench.training.run import train


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of 8 steps with a program; copy it before you spoil it."""
    root = tmp_path_factory.mktemp("training")
    config = TrainConfig(
        model="unet-small",
        width=2,
        crop=32,
        batch=2,
        epochs=2,
        stage_one_epochs=1,
        learning_rate=1e-3,
        levels=3,
        reblur_width=4,
        flow="dis",
        accelerator="cpu",
        export_program=True,
    )
    train(make_prepared(root), root / "run", config)
    return root / "run"


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "run"))


def _last(run: Path) -> Path:
    return run / "checkpoints/step-00000008"


def test_a_finished_run_says_so_and_is_whole(finished: Path) -> None:
    found, result = describe(finished), json.loads((finished / "result.json").read_text())
    assert (found["kind"], found["finished"], found["step"]) == ("training run", True, 8)
    assert (found["best_step"], found["best_psnr"]) == (result["best_step"], result["best_psnr"])
    assert found["checkpoints"][-1] == 8
    assert found["model_sha256"] == sha256_of(finished / "model.safetensors")
    assert found["flow_signature"].startswith("dis")
    assert (found["options"]["model"], found["options"]["epochs"]) == ("unet-small", 2)
    json.dumps(found)
    checked = validate(finished)
    assert (checked.kind, checked.problems) == (Kind.TRAINING, ())
    # options, best, result; three files per checkpoint; network and program
    assert checked.n_checked == 3 + 3 * len(found["checkpoints"]) + 2


def test_an_unfinished_run_says_where_it_stands(run: Path) -> None:
    (run / "result.json").unlink()
    found = describe(run)
    assert (found["finished"], found["step"]) == (False, 8)
    assert found["best_step"] is not None
    assert [problem.reason for problem in validate(run).problems] == [
        "is not finished (its last checkpoint is of step 8); go on with train-jdrl --resume"
    ]


def test_a_checkpoint_says_its_step_and_networks(finished: Path) -> None:
    found = describe(_last(finished))
    assert (found["kind"], found["step"]) == ("checkpoint of a training run", 8)
    assert list(found["networks"]) == ["deblur", "reblur"]
    tensors = load_file(_last(finished) / "deblur.safetensors")
    assert found["networks"]["deblur"]["n_numbers"] == sum(tensor.numel() for tensor in tensors.values())
    assert validate(_last(finished)).problems == ()


def _edit(name: str, **values: object) -> Callable[[Path], None]:
    def edit(run: Path) -> None:
        content = json.loads((run / name).read_text())
        (run / name).write_text(json.dumps(content | values))

    return edit


def _nan(run: Path) -> None:
    path = _last(run) / "reblur.safetensors"
    tensors = load_file(path)
    next(iter(tensors.values())).view(-1)[0] = torch.nan
    save_file(tensors, path)


def _other_network(run: Path) -> None:
    tensors = load_file(run / "model.safetensors")
    next(iter(tensors.values())).view(-1)[0] += 1
    save_file(tensors, run / "model.safetensors")


def _moved(run: Path) -> None:
    state = torch.load(_last(run) / "state.pt", weights_only=True)
    torch.save(state | {"step": 7}, _last(run) / "state.pt")


@pytest.mark.parametrize(
    ("spoil", "file", "reason"),
    [
        (lambda run: (run / "options.json").write_text("{"), "options.json", "damaged: "),
        (lambda run: (run / "options.json").write_text("[]"), "options.json", "expected an object"),
        (lambda run: (run / "options.json").write_text("{}"), "options.json", "holds no options"),
        (lambda run: (run / "best.json").write_bytes(b"\xff"), "best.json", "damaged: "),
        (_edit("result.json", step=7), "result.json", "says step 7, but the last checkpoint is of step 8"),
        (_edit("result.json", best_psnr=99.0), "result.json", "best.json says"),
        (_edit("result.json", best_step=3), "result.json", "there is no such checkpoint"),
        (lambda run: (_last(run) / "deblur.safetensors").write_bytes(b"no"), "deblur.safetensors", ""),
        (lambda run: (_last(run) / "reblur.safetensors").unlink(), "reblur.safetensors", ""),
        (lambda run: (_last(run) / "state.pt").write_bytes(b"no"), "state.pt", "no state of a training run"),
        (_nan, "reblur.safetensors", "NaN or infinite"),
        (_moved, "state.pt", "is of step 7, its folder of step 8"),
        (_other_network, "model.safetensors", "is not the network of the best checkpoint"),
        (lambda run: (run / "model.safetensors").unlink(), "model.safetensors", ""),
        (lambda run: flip_byte(run / "model.pt2", 5000), "model.pt2", "damaged"),
    ],
)
def test_what_is_wrong_with_a_run_is_found_and_named(
    run: Path, spoil: Callable[[Path], None], file: str, reason: str
) -> None:
    spoil(run)
    problems = validate(run).problems
    assert problems
    assert any(problem.item.endswith(file) and reason in problem.reason for problem in problems), problems


def test_a_damaged_seal_or_damaged_options_are_an_error_of_info(run: Path) -> None:
    (run / "result.json").write_text("{")
    with pytest.raises(ManifestError, match=r"result\.json: damaged"):
        describe(run)
    (run / "options.json").write_text("{}")
    with pytest.raises(ManifestError, match=r"options\.json: not the options of a training run"):
        describe(run)


def test_a_program_says_what_network_it_is_and_is_not_run(
    finished: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def run_nothing(*arguments: object, **options: object) -> None:
        raise AssertionError("the program was loaded")

    monkeypatch.setattr(torch.export, "load", run_nothing)
    program = finished / "model.pt2"
    found = describe(program)
    assert (found["kind"], found["facts"]["model"], found["facts"]["width"]) == ("exported program", "unet-small", 2)
    assert found["torch_version"] == torch.__version__
    tensors = load_file(finished / "model.safetensors")
    assert found["n_numbers"] == sum(tensor.numel() for tensor in tensors.values())
    json.dumps(found)
    checked = validate(program)
    assert (checked.kind, checked.problems) == (Kind.PROGRAM, ())
    with_code = Path(shutil.copy(program, tmp_path / "code.pt2"))
    with zipfile.ZipFile(with_code, "a") as archive:
        archive.writestr("archive/data/aotinductor/model.so", b"code")
    with pytest.raises(WeightsError, match="aotinductor"):
        describe(with_code)
    assert "aotinductor" in validate(with_code).problems[0].reason


@pytest.mark.parametrize("content", [b"", b"PK", b"no archive"])
def test_what_is_no_program_is_said(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.pt2").write_bytes(content)
    with pytest.raises(WeightsError, match=r"x\.pt2: no ExportedProgram"):
        describe(tmp_path / "x.pt2")
    assert "no ExportedProgram" in validate(tmp_path / "x.pt2").problems[0].reason


def test_bytes_changed_at_random_never_escape_as_another_error(finished: Path, tmp_path: Path) -> None:
    original = (finished / "model.pt2").read_bytes()
    path = tmp_path / "spoilt.pt2"
    generator = torch.Generator().manual_seed(0)
    for place in torch.randint(len(original), (100,), generator=generator).tolist():
        path.write_bytes(original[:place] + bytes([original[place] ^ 0x55]) + original[place + 1 :])
        with suppress(SddBenchError):
            describe(path)
        assert len(validate(path).problems) <= 1
