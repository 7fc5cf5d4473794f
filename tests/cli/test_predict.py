"""``sdd-bench predict`` from the outside."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image, ImageCms
from safetensors.torch import save_file

from sdd_bench import weights
from sdd_bench.cli.main import main
from sdd_bench.images.photograph import read_photograph, to_float
from sdd_bench.metrics.psnr import psnr
from sdd_bench.models.spec import METADATA_KEY, ModelSpec, facts_of
from sdd_bench.prepared.open import open_dataset
from sdd_bench.synth.options import SynthOptions
from sdd_bench.synth.run import synthesize


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """A residual network as it is before training: the identity."""
    spec = ModelSpec("unet-small", width=2)
    network = spec.build()
    path = tmp_path / "run" / "model.safetensors"
    path.parent.mkdir()
    save_file(network.state_dict(), path, metadata={METADATA_KEY: json.dumps(facts_of(network, spec))})
    return path


def write(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.full((20, 30, 3), 90, np.uint8))
    return path


def test_predictions_are_written_and_told(tmp_path: Path, checkpoint: Path) -> None:
    write(tmp_path / "pictures" / "x.png")
    arguments = ["predict", str(tmp_path / "pictures"), "-o", str(tmp_path / "out"), "--json"]
    result = CliRunner().invoke(main, [*arguments, "--checkpoint", str(checkpoint)])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["n_made"] == 1
    assert np.all(cv2.imread(str(tmp_path / "out" / "x.png")) == 90)


@pytest.mark.parametrize("command", ["predict", "blur-map"])
@pytest.mark.parametrize("sides", [("phone",), ("test/blur", "test/gt")])
def test_what_is_left_out_of_a_folder_is_told(tmp_path: Path, command: str, sides: tuple[str, ...]) -> None:
    for side in sides:
        write(tmp_path / "set" / side / "x.png")
    write(tmp_path / "set" / sides[0] / "y.png").rename(tmp_path / "set" / sides[0] / "y.webp")
    method = ("--model", "unsharp") if command == "predict" else ()
    arguments = [command, str(tmp_path / "set"), "-o", str(tmp_path / "out"), *method]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 1
    assert f"{sides[0]}/y.webp: pictures of the kind .webp are not read: convert it" in result.stderr
    told = json.loads(CliRunner().invoke(main, [*arguments, "--json"]).stdout)["problems"]
    assert [problem["item"] for problem in told] == [f"{sides[0]}/y.webp"]
    assert (tmp_path / "out/x.png").is_file()


def test_a_run_folder_stands_for_its_model(tmp_path: Path, checkpoint: Path) -> None:
    picture = write(tmp_path / "x.png")
    arguments = ["predict", str(picture), "--checkpoint", str(checkpoint.parent), "-o", str(tmp_path / "out")]
    assert CliRunner().invoke(main, arguments).exit_code == 0


def test_a_damaged_picture_gives_status_1_and_wrong_options_2(tmp_path: Path, checkpoint: Path) -> None:
    write(tmp_path / "pictures" / "x.png")
    (tmp_path / "pictures" / "y.png").write_bytes(b"no")
    arguments = ["predict", str(tmp_path / "pictures"), "-o", str(tmp_path / "out"), "--checkpoint", str(checkpoint)]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 1
    assert "y: " in result.stderr
    assert CliRunner().invoke(main, [*arguments, "--width", "3"]).exit_code == 2
    assert CliRunner().invoke(main, [*arguments, "--model", "nothing"]).exit_code == 2
    assert CliRunner().invoke(main, [*arguments[:-1], str(tmp_path / "absent.pt2")]).exit_code == 2


def test_a_network_of_the_users_needs_its_name(
    tmp_path: Path, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.py").write_text("from sdd_bench.models.spec import unet_small as net\n")
    monkeypatch.syspath_prepend(tmp_path)
    spec = ModelSpec("mine:net", width=2)
    network = spec.build()
    save_file(network.state_dict(), checkpoint, metadata={METADATA_KEY: json.dumps(facts_of(network, spec))})
    arguments = ["predict", str(write(tmp_path / "x.png")), "--checkpoint", str(checkpoint.parent)]
    arguments += ["-o", str(tmp_path / "out")]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2
    assert "--model mine:net" in result.stderr
    assert CliRunner().invoke(main, [*arguments, "--model", "mine:net"]).exit_code == 0
    result = CliRunner().invoke(main, [*arguments, "--model", "mine:net", "--bgr"])
    assert result.exit_code == 2
    assert "bgr" in result.stderr


def test_options_of_the_network_reach_its_factory_and_the_seal(tmp_path: Path) -> None:
    network = ModelSpec("nafnet", width=2, options={"encoder": [1], "middle": 1, "decoder": [1]}).build()
    save_file(network.state_dict(), tmp_path / "naf.safetensors")
    arguments = ["predict", str(write(tmp_path / "x.png")), "--checkpoint", str(tmp_path / "naf.safetensors")]
    options = [f"--model-option={option}" for option in ("encoder=[1]", "middle=1", "decoder=[1]", "window=8")]
    out = ["-o", str(tmp_path / "out")]
    result = CliRunner().invoke(main, [*arguments, *out, "--model", "nafnet", "--width", "2", *options])
    assert result.exit_code == 0, result.output
    assert json.loads((tmp_path / "out/predict.json").read_text())["options"]["window"] == 8
    result = CliRunner().invoke(main, [*arguments, *out, *options])
    assert result.exit_code == 2
    assert "--model-option need --model" in result.stderr


def test_without_a_checkpoint_the_network_of_the_package_deblurs(tmp_path: Path) -> None:
    still = {"zoom_range": (1, 1), "shift_range": (0, 0), "rotation_range": (0, 0), "exposure_range": (1, 1)}
    options = SynthOptions(width=320, height=192, n_train=0, n_test=3, coc_range=(5, 9), color_cast=0, **still)
    synthesize(tmp_path / "set", options)
    arguments = ["predict", str(tmp_path / "set"), "-o", str(tmp_path / "out")]
    result = CliRunner().invoke(main, [*arguments, "--json"])
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert (told["model"], told["sha256"]) == ("unet-folded", weights.sha256("unet-folded"))
    for pair in open_dataset(tmp_path / "set").pairs:
        made, blurry, sharp = (
            to_float(read_photograph(path).pixels)
            for path in (tmp_path / "out" / f"{pair.name}.png", pair.blurry_path, pair.sharp_path)
        )
        assert psnr(made, sharp) > psnr(blurry, sharp) + 0.1
    assert CliRunner().invoke(main, [*arguments, "--model", "unet"]).exit_code == 2


def test_a_classical_method_needs_no_checkpoint(tmp_path: Path, photo: np.ndarray) -> None:
    picture = tmp_path / "x.png"
    cv2.imwrite(str(picture), photo[:64, :96])
    arguments = ["predict", str(picture), "--model", "ebdb", "--lambda", "420", "-o", str(tmp_path / "out"), "--json"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["model"] == "ebdb"
    assert json.loads((tmp_path / "out/predict.json").read_text())["deconvolution"]["fidelity"] == 420
    for wrong in (["--model", "ebdb", "--bgr"], ["--lambda", "3"], ["--model", "unsharp", "--alpha", "1"]):
        result = CliRunner().invoke(main, ["predict", str(picture), *wrong, "-o", str(tmp_path / "other")])
        assert result.exit_code == 2


def test_the_true_map_of_a_synthetic_set_is_found(tmp_path: Path) -> None:
    synthesize(tmp_path / "set", SynthOptions(width=96, height=64, n_train=0, n_test=1, truth="full"))
    arguments = ["predict", str(tmp_path / "set"), "--model", "oracle-map", "-o", str(tmp_path / "out")]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    assert (tmp_path / "out/0000.png").is_file()


def test_a_scheduler_that_does_not_answer_is_named(tmp_path: Path, checkpoint: Path) -> None:
    pytest.importorskip("distributed")
    arguments = [
        "predict",
        str(write(tmp_path / "x.png")),
        "--checkpoint",
        str(checkpoint),
        "-o",
        str(tmp_path / "out"),
    ]
    result = CliRunner().invoke(main, [*arguments, "--dask", "nonsense", "--device", "cpu"])
    assert result.exit_code == 2
    assert "--dask nonsense: no Dask scheduler answers there" in result.stderr


def test_a_photograph_keeps_its_tags_profile_and_upright_pixels(
    tmp_path: Path, checkpoint: Path, photo: np.ndarray
) -> None:
    exif = Image.Exif()
    exif.update({271: "Maker", 274: 6})
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    path = tmp_path / "PHOTO.JPG"
    Image.fromarray(photo[:40, :60]).save(path, "JPEG", quality=95, exif=exif, icc_profile=profile)
    arguments = ["predict", str(path), "--checkpoint", str(checkpoint), "-o", str(tmp_path / "out")]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    with Image.open(tmp_path / "out" / "PHOTO.png") as made:
        assert made.size == (40, 60)
        assert made.info["icc_profile"] == profile
        assert dict(made.getexif()) == {271: "Maker"}
        assert np.array_equal(np.asarray(made), read_photograph(path).pixels)
