"""The paper's values, recipes, and what is refused."""

from pathlib import Path

import pytest

from sdd_bench.core.errors import ConfigError
from sdd_bench.core.types import Interpolation
from sdd_bench.models.reblurring.network import ReblurKernels
from sdd_bench.training.config import TrainConfig, load_train_config, to_toml
from sdd_bench.training.losses import MaskKind
from sdd_bench.training.step import learning_rate_of, stage_of


def test_the_defaults_are_the_papers() -> None:
    config = TrainConfig()
    assert (config.alpha, config.tolerance, config.levels) == (0.5, 0.35, 8)
    assert (config.learning_rate, config.halve_every, config.epochs, config.stage_one_epochs) == (2e-5, 60, 100, 15)
    assert (config.crop, config.batch, config.mask) == (512, 1, MaskKind.MAGNITUDE)
    assert (config.interpolation, config.perceptual_weight) == (Interpolation.LINEAR, 0)


def test_the_released_recipe_changes_what_the_code_does_otherwise() -> None:
    config = load_train_config(None, {"recipe": "released"})
    assert (config.model, config.crop, config.flips) == ("unet-released", 256, False)
    assert (config.mask, config.stage_one_loss, config.reblur_init) == (MaskKind.RELEASED, "warped", "xavier")


def test_the_two_stage_recipe_starts_with_reblurring_alone_and_goes_on_at_a_tenth_of_the_rate() -> None:
    config = load_train_config(None, {"recipe": "two-stage", "model": "mprnet", "init": "mprnet.pth"})
    rates = [learning_rate_of(config, epoch, 0) for epoch in (0, 4, 5)]
    assert rates == [2e-5, 2e-5, pytest.approx(2e-6)]
    assert [str(stage_of(config, epoch)) for epoch in (0, 4, 5, 20)] == ["reblur", "reblur", "first", "second"]
    with pytest.raises(ConfigError, match="init"):
        load_train_config(None, {"recipe": "two-stage"})


def test_options_that_came_later_are_not_told_at_their_defaults() -> None:
    later = {"edge_weight", "model_options", "perceptual_side", "perceptual_floor_px", "interpolation"}
    assert later.isdisjoint(TrainConfig().training())
    told = TrainConfig(edge_weight=0.05, model_options={"depth": 2}).training()
    assert (told["edge_weight"], told["model_options"]) == (0.05, {"depth": 2})


def test_a_file_wins_over_the_recipe_and_an_option_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "train.toml"
    file.write_text('recipe = "released"\ncrop = 128\nbatch = 4\n', encoding="utf-8")
    config = load_train_config(file, {"batch": "8", "seed": None})
    assert (config.crop, config.batch, config.mask) == (128, 8, MaskKind.RELEASED)


def test_a_configuration_survives_its_file(tmp_path: Path) -> None:
    config = TrainConfig(width=8, init=tmp_path / 'a "quoted" \U0001f4f7.pth', no_mask=True, clip=0.5)
    file = tmp_path / "config.toml"
    file.write_text(to_toml(config), encoding="utf-8")
    assert load_train_config(file) == config


@pytest.mark.parametrize(
    ("options", "flow", "reblur", "mask", "kernels"),
    [
        ({}, True, True, MaskKind.MAGNITUDE, ReblurKernels.ISOTROPIC),
        ({"vanilla": True}, False, False, MaskKind.MAGNITUDE, ReblurKernels.ISOTROPIC),
        ({"no_flow": True}, False, True, MaskKind.MAGNITUDE, ReblurKernels.ISOTROPIC),
        ({"no_mask": True}, True, True, MaskKind.NONE, ReblurKernels.ISOTROPIC),
        ({"no_reblur": True}, True, False, MaskKind.MAGNITUDE, ReblurKernels.ISOTROPIC),
        ({"free_kernels": True}, True, True, MaskKind.MAGNITUDE, ReblurKernels.FREE),
        ({"no_weight_maps": True}, True, True, MaskKind.MAGNITUDE, ReblurKernels.SINGLE),
        ({"loss": "cobi"}, False, True, MaskKind.MAGNITUDE, ReblurKernels.ISOTROPIC),
    ],
)
def test_ablations_of_table_4_leave_out_one_part(
    options: dict[str, bool], flow: bool, reblur: bool, mask: MaskKind, kernels: ReblurKernels
) -> None:
    config = TrainConfig(**options)  # type: ignore[arg-type]
    assert (config.has_flow, config.has_reblur, config.mask_kind, config.kernels) == (flow, reblur, mask, kernels)


@pytest.mark.parametrize(
    "options",
    [
        {"batch": 0},
        {"val_share": 1.0},
        {"learning_rate": 0.0},
        {"learning_rate": float("nan")},
        {"epochs": 0},
        {"levels": 1},
        {"free_kernels": True, "no_weight_maps": True},
        {"reblur_epochs": 2, "vanilla": True},
        {"free_kernels": True, "no_reblur": True},
        {"no_weight_maps": True, "vanilla": True},
        {"reblur_learning_rate": 1e-4},
        {"loss": "cobi", "vanilla": True},
        {"loss": "contextual", "no_mask": True},
        {"loss": "contextual", "edge_weight": 0.05},
        {"loss": "cobi", "spatial_weight": 1.5},
        {"loss": "cobi", "reach_px": 0.0},
        {"loss_weights": Path("vgg19.pth")},
        {"edge_weight": -1.0},
        {"perceptual_side": "both", "no_cycle": True},
        {"perceptual_side": "left"},
        {"perceptual_floor_px": -0.1},
        {"interpolation": "nearest"},
    ],
)
def test_what_makes_no_sense_is_refused(options: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        TrainConfig(**options)  # type: ignore[arg-type]


def test_an_unknown_option_lists_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="known: recipe, model"):
        load_train_config(None, {"learnin_rate": 1})


def test_a_file_that_is_gone_after_it_was_read_was_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "train.toml"
    file.write_text('recipe = "released"\ncrop = 128\n')
    read = Path.read_text

    def read_once(path: Path, *arguments: str, **options: str) -> str:
        text = read(path, *arguments, **options)  # type: ignore[arg-type]
        path.unlink()
        return text

    monkeypatch.setattr(Path, "read_text", read_once)
    assert load_train_config(file).crop == 128


def test_an_unknown_key_of_a_file_is_said_with_the_file(tmp_path: Path) -> None:
    file = tmp_path / "train.toml"
    file.write_text("learnin_rate = 1\n")
    with pytest.raises(ConfigError, match=r"train\.toml: unknown key learnin_rate"):
        load_train_config(file)


def test_options_of_the_contextual_loss_bind_only_runs_that_have_it() -> None:
    assert "reach_px" not in TrainConfig(reach_px=3.0).training()
    assert TrainConfig(loss="cobi", reach_px=3.0).training()["reach_px"] == 3.0
