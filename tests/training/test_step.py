"""What each stage and each ablation computes."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from small_networks import NAMES, NETWORKS
from torch import Tensor, nn

from sdd_bench.core.types import Interpolation
from sdd_bench.flow.compose import invert_flow
from sdd_bench.flow.warp import backwarp
from sdd_bench.training import step
from sdd_bench.training.config import TrainConfig
from sdd_bench.training.contextual.loss import load_contextual
from sdd_bench.training.losses import adaptive_deblurring_loss, charbonnier, edges
from sdd_bench.training.perceptual import PerceptualDistance
from sdd_bench.training.step import Stage, build_networks, compute_terms, learning_rate_of, stage_of

MakeConfig = Callable[..., TrainConfig]


class Constant:
    """The same flow for everything; remembers what it was asked."""

    name = sha256 = signature = resolution = precision = ""

    def __init__(self) -> None:
        self.asked: list[tuple[Tensor, Tensor]] = []

    def estimate(self, reference: Tensor, moving: Tensor) -> Tensor:
        self.asked.append((reference, moving))
        return torch.full((len(reference), 2, *reference.shape[2:]), 1.5)

    def estimate_both(self, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        return self.estimate(a, b), -self.estimate(b, a)


@pytest.fixture
def batch() -> dict[str, Tensor]:
    torch.manual_seed(0)
    return {
        "blurry": torch.rand(2, 3, 32, 32),
        "sharp": torch.rand(2, 3, 32, 32),
        "flow": torch.full((2, 2, 32, 32), 2.0),
    }


def test_the_first_stage_uses_the_flow_of_the_file_both_ways(tiny: MakeConfig, batch: dict[str, Tensor]) -> None:
    config, estimator = tiny(), Constant()
    terms = compute_terms(build_networks(config).eval(), config, Stage.FIRST, batch, estimator)
    expected = adaptive_deblurring_loss(terms.deblurred, batch["sharp"], batch["flow"], -batch["flow"])
    assert estimator.asked == []
    assert terms.deblurring is not None
    assert torch.allclose(terms.deblurring, expected.loss)


def test_the_second_stage_estimates_between_deblurred_and_sharp(tiny: MakeConfig, batch: dict[str, Tensor]) -> None:
    config, estimator = tiny(), Constant()
    terms = compute_terms(build_networks(config).eval(), config, Stage.SECOND, batch, estimator)
    reference, moving = estimator.asked[0]
    assert torch.equal(reference, terms.deblurred)
    assert not reference.requires_grad
    assert torch.equal(moving, batch["sharp"])
    assert terms.warped_sharp is not None
    assert torch.equal(terms.warped_sharp, backwarp(batch["sharp"], torch.full((2, 2, 32, 32), 1.5)))


def test_the_total_is_equation_1(tiny: MakeConfig, batch: dict[str, Tensor]) -> None:
    config = tiny(alpha=0.7)
    terms = compute_terms(build_networks(config).eval(), config, Stage.SECOND, batch, Constant())
    assert terms.deblurring is not None
    assert terms.reblurring is not None
    assert terms.reblurred is not None
    assert torch.allclose(terms.reblurring, charbonnier(terms.reblurred - batch["blurry"]))
    assert torch.allclose(terms.total, terms.deblurring + 0.7 * terms.reblurring)


def test_vanilla_is_charbonnier_against_sharp_alone(tiny: MakeConfig, batch: dict[str, Tensor]) -> None:
    config = tiny(vanilla=True)
    networks = build_networks(config).eval()
    assert networks.reblur is None
    terms = compute_terms(networks, config, Stage.SECOND, batch, None)
    assert torch.equal(terms.total, charbonnier(terms.deblurred - batch["sharp"]))


def test_without_flow_the_reblurring_loss_stays(tiny: MakeConfig, batch: dict[str, Tensor]) -> None:
    config = tiny(no_flow=True)
    terms = compute_terms(build_networks(config).eval(), config, Stage.SECOND, batch, None)
    assert terms.reblurring is not None
    assert torch.allclose(terms.total, charbonnier(terms.deblurred - batch["sharp"]) + 0.5 * terms.reblurring)


def test_without_the_cycle_one_direction_is_estimated(tiny: MakeConfig, batch: dict[str, Tensor]) -> None:
    config, estimator = tiny(no_cycle=True), Constant()
    compute_terms(build_networks(config).eval(), config, Stage.SECOND, batch, estimator)
    assert len(estimator.asked) == 1


def test_a_contextual_loss_takes_the_place_of_the_adaptive_one_in_both_stages(
    tiny: MakeConfig, batch: dict[str, Tensor]
) -> None:
    config = tiny(loss="cobi", stage_one_loss="warped")
    loss = load_contextual(config, torch.device("cpu"))
    assert loss is not None
    networks = build_networks(config).eval()
    for stage in (Stage.FIRST, Stage.SECOND):
        terms = compute_terms(networks, config, stage, batch, None, loss)
        assert terms.deblurring is not None
        assert terms.reblurring is not None
        torch.testing.assert_close(terms.deblurring, loss(terms.deblurred, batch["sharp"]))
        torch.testing.assert_close(terms.total, terms.deblurring + 0.5 * terms.reblurring)


def test_the_released_first_stage_is_charbonnier_against_warped_sharp(
    tiny: MakeConfig, batch: dict[str, Tensor]
) -> None:
    config = tiny(stage_one_loss="warped")
    terms = compute_terms(build_networks(config).eval(), config, Stage.FIRST, batch, None)
    warped = backwarp(batch["sharp"], batch["flow"])
    assert terms.reblurring is None
    assert torch.equal(terms.total, charbonnier(terms.deblurred - warped))


@pytest.mark.parametrize(("side", "turned"), [("deblurred", 0), ("both", 1)])
def test_the_released_first_stage_turns_no_flow_that_no_loss_asks_for(
    side: str, turned: int, tiny: MakeConfig, batch: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Tensor] = []

    def inverted(flow: Tensor, *, steps: int) -> Tensor:
        asked.append(flow)
        return invert_flow(flow, steps=steps)

    monkeypatch.setattr(step, "invert_flow", inverted)
    config = tiny(stage_one_loss="warped", perceptual_weight=0.1, perceptual_side=side)
    networks = build_networks(config).eval()
    compute_terms(networks, config, Stage.FIRST, batch, None, None, PerceptualDistance())
    assert len(asked) == turned


def test_reblurring_alone_leaves_the_deblurring_network_alone(tiny: MakeConfig, batch: dict[str, Tensor]) -> None:
    config = tiny()
    networks = build_networks(config)
    compute_terms(networks, config, Stage.REBLUR, batch, None).total.backward()
    assert all(parameter.grad is None for parameter in networks.deblur.parameters())
    assert networks.reblur is not None
    assert all(parameter.grad is not None for parameter in networks.reblur.parameters())


@pytest.mark.parametrize("options", [{}, {"free_kernels": True}, {"no_weight_maps": True}, {"mask": "similarity"}])
def test_every_parameter_gets_a_gradient(
    options: dict[str, object], tiny: MakeConfig, batch: dict[str, Tensor]
) -> None:
    config = tiny(model="unet", **options)
    networks = build_networks(config)
    compute_terms(networks, config, Stage.SECOND, batch, Constant()).total.backward()
    assert all(parameter.grad is not None for parameter in networks.parameters())


class Two(nn.Module):
    """The final picture and one before it."""

    def forward(self, blurry: Tensor) -> list[Tensor]:
        return [blurry, blurry / 2]


def test_losses_act_on_every_output_of_a_network(tiny: MakeConfig, batch: dict[str, Tensor]) -> None:
    config = tiny(vanilla=True)
    networks = build_networks(config)
    networks.deblur = Two()
    terms = compute_terms(networks, config, Stage.SECOND, batch, None)
    blurry, sharp = batch["blurry"], batch["sharp"]
    assert torch.allclose(terms.total, charbonnier(blurry - sharp) + charbonnier(blurry / 2 - sharp))


def test_every_output_bears_both_losses_under_the_flow_of_the_final_one(
    tiny: MakeConfig, batch: dict[str, Tensor]
) -> None:
    config, estimator = tiny(), Constant()
    networks = build_networks(config).eval()
    networks.deblur = Two()
    terms = compute_terms(networks, config, Stage.SECOND, batch, estimator)
    blurry, sharp = batch["blurry"], batch["sharp"]
    assert [bool(torch.equal(reference, blurry)) for reference, _ in estimator.asked] == [True, False]
    flow = torch.full((2, 2, 32, 32), 1.5)
    outputs = (blurry, blurry / 2)
    deblurring = sum(adaptive_deblurring_loss(output, sharp, flow, -flow).loss for output in outputs)
    assert networks.reblur is not None
    reblurring = sum(charbonnier(networks.reblur(output, blurry) - blurry) for output in outputs)
    torch.testing.assert_close(terms.deblurring, deblurring)
    torch.testing.assert_close(terms.reblurring, reblurring)


def test_edges_are_compared_as_much_as_the_option_says(tiny: MakeConfig, batch: dict[str, Tensor]) -> None:
    config = tiny(vanilla=True, edge_weight=0.05)
    terms = compute_terms(build_networks(config).eval(), config, Stage.SECOND, batch, None)
    difference = terms.deblurred - batch["sharp"]
    torch.testing.assert_close(terms.total, charbonnier(difference) + 0.05 * charbonnier(edges(difference)))


def test_edges_of_what_is_warped_are_those_inside_the_mask(tiny: MakeConfig, batch: dict[str, Tensor]) -> None:
    plain, with_edges = (tiny(edge_weight=weight) for weight in (0.0, 0.05))
    networks = build_networks(plain).eval()
    before, after = (compute_terms(networks, c, Stage.SECOND, batch, Constant()) for c in (plain, with_edges))
    assert before.mask is not None
    assert before.warped_sharp is not None
    inside = before.mask * (before.warped_sharp - before.deblurred)
    torch.testing.assert_close(after.total - before.total, 0.05 * charbonnier(edges(inside)))


def test_lpips_counts_as_much_as_the_option_says_and_only_inside_the_mask(
    tiny: MakeConfig, batch: dict[str, Tensor]
) -> None:
    config, lpips = tiny(vanilla=True, perceptual_weight=0.02), PerceptualDistance()
    networks = build_networks(config).eval()
    terms = compute_terms(networks, config, Stage.SECOND, batch, None, None, lpips)
    expected = charbonnier(terms.deblurred - batch["sharp"]) + 0.02 * lpips(terms.deblurred, batch["sharp"])
    torch.testing.assert_close(terms.total, expected)
    config = tiny(perceptual_weight=0.02)
    networks = build_networks(config).eval()
    before, after = (compute_terms(networks, config, Stage.SECOND, batch, Constant(), None, x) for x in (None, lpips))
    assert before.mask is not None
    assert before.warped_sharp is not None
    shown = torch.where(before.mask, before.warped_sharp, before.deblurred)
    torch.testing.assert_close(after.total - before.total, 0.02 * lpips(before.deblurred, shown))


class Uneven(Constant):
    """A flow of 1.5 px that is half a pixel longer in a part."""

    def estimate(self, reference: Tensor, moving: Tensor) -> Tensor:
        flow = super().estimate(reference, moving)
        flow[..., :4, :] *= 1.9
        return flow


def test_lpips_sees_more_than_the_pixels_do_where_its_floor_is_wider(
    tiny: MakeConfig, batch: dict[str, Tensor]
) -> None:
    lpips, seen = PerceptualDistance(), []
    networks = build_networks(tiny()).eval()
    for floor_px in (0.1, 2.0):
        config = tiny(perceptual_weight=1.0, perceptual_floor_px=floor_px)
        before, after = (compute_terms(networks, config, Stage.SECOND, batch, Uneven(), None, x) for x in (None, lpips))
        assert before.mask is not None
        assert before.warped_sharp is not None
        assert not bool(before.mask.all())  # that of the pixels stays as it was
        shown = before.warped_sharp if floor_px > 1 else torch.where(before.mask, before.warped_sharp, before.deblurred)
        torch.testing.assert_close(after.total - before.total, lpips(before.deblurred, shown))
        seen.append(float(after.total.detach()))
    assert seen[0] < seen[1]


class Still(Constant):
    """No motion at all."""

    def estimate(self, reference: Tensor, moving: Tensor) -> Tensor:
        return torch.zeros(len(reference), 2, *reference.shape[2:])


@pytest.mark.parametrize("interpolation", Interpolation)
def test_lpips_of_the_sharp_side_takes_the_sharp_picture_as_it_is(
    interpolation: Interpolation, tiny: MakeConfig, batch: dict[str, Tensor]
) -> None:
    lpips, looks = PerceptualDistance(), {}
    networks = build_networks(tiny()).eval()
    for side in ("deblurred", "sharp", "both"):
        config = tiny(perceptual_weight=0.02, perceptual_side=side, interpolation=interpolation)
        before, after = (
            compute_terms(networks, config, Stage.SECOND, batch, Constant(), None, x) for x in (None, lpips)
        )
        looks[side] = (after.total - before.total) / 0.02
    flow, deblurred = torch.full((2, 2, 32, 32), 1.5), before.deblurred
    warped_sharp = backwarp(batch["sharp"], flow, interpolation=interpolation)
    warped_deblurred = backwarp(deblurred, -flow, interpolation=interpolation)
    assert before.mask is not None
    assert bool(before.mask.all())
    close = partial(torch.testing.assert_close, rtol=1e-3, atol=1e-4)
    close(looks["deblurred"], lpips(deblurred, warped_sharp))
    close(looks["sharp"], lpips(warped_deblurred, batch["sharp"]))
    close(looks["both"], (looks["deblurred"] + looks["sharp"]) / 2)


@pytest.mark.parametrize("side", ["deblurred", "sharp", "both"])
@pytest.mark.parametrize(("stage", "loss", "warps"), [
    (Stage.SECOND, "full", {"deblurred": 2, "sharp": 2, "both": 2}),
    (Stage.FIRST, "warped", {"deblurred": 1, "sharp": 2, "both": 2}),
])  # fmt: skip
def test_lpips_looks_at_the_pictures_that_the_pixels_were_warped_to(
    stage: Stage, loss: str, warps: dict[str, int], side: str,
    tiny: MakeConfig, batch: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    warped = []

    def counting(picture: Tensor, flow: Tensor, **options: Any) -> Tensor:
        warped.append(picture)
        return backwarp(picture, flow, **options)

    for module in ("losses", "step"):
        monkeypatch.setattr(f"sdd_bench.training.{module}.backwarp", counting)
    config = tiny(perceptual_weight=0.02, perceptual_side=side, stage_one_loss=loss)
    batch = batch | {"flow": torch.full((2, 2, 32, 32), 1.5)}
    compute_terms(build_networks(config).eval(), config, stage, batch, Constant(), None, PerceptualDistance())
    assert len(warped) == warps[side]


@pytest.mark.parametrize("interpolation", Interpolation)
@pytest.mark.parametrize("side", ["deblurred", "sharp"])
def test_where_nothing_moves_lpips_of_either_side_is_that_of_the_pictures(
    side: str, interpolation: Interpolation, tiny: MakeConfig, batch: dict[str, Tensor]
) -> None:
    config, lpips = tiny(perceptual_weight=1.0, perceptual_side=side, interpolation=interpolation), PerceptualDistance()
    networks = build_networks(config).eval()
    before, after = (compute_terms(networks, config, Stage.SECOND, batch, Still(), None, x) for x in (None, lpips))
    torch.testing.assert_close(after.total - before.total, lpips(before.deblurred, batch["sharp"]))


def test_the_gradient_of_the_sharp_side_reaches_the_network_through_the_warp(
    tiny: MakeConfig, batch: dict[str, Tensor]
) -> None:
    config, lpips = tiny(perceptual_weight=1.0, perceptual_side="sharp", no_reblur=True), PerceptualDistance()
    networks = build_networks(config).eval()
    gradients = []
    for looks in (None, lpips):
        networks.zero_grad()
        compute_terms(networks, config, Stage.SECOND, batch, Constant(), None, looks).total.backward()
        gradients.append(torch.cat([p.grad.flatten() for p in networks.deblur.parameters() if p.grad is not None]))
    assert not torch.allclose(*gradients)


def test_both_warps_of_the_loss_are_of_the_kind_that_the_option_says(
    tiny: MakeConfig, batch: dict[str, Tensor]
) -> None:
    config = tiny(interpolation="lanczos", no_reblur=True)
    terms = compute_terms(build_networks(config).eval(), config, Stage.SECOND, batch, Constant())
    flow = torch.full((2, 2, 32, 32), 1.5)
    there, back = (
        backwarp(picture, way, interpolation=Interpolation.LANCZOS)
        for picture, way in ((batch["sharp"], flow), (terms.deblurred, -flow))
    )
    assert terms.warped_sharp is not None
    assert torch.equal(terms.warped_sharp, there)
    expected = charbonnier(there - terms.deblurred) + charbonnier(back - batch["sharp"])
    torch.testing.assert_close(terms.total, expected)


@pytest.mark.parametrize(("name", "options"), NETWORKS, ids=NAMES)
def test_every_network_trains_in_every_stage(
    name: str, options: dict[str, Any], tiny: MakeConfig, batch: dict[str, Tensor]
) -> None:
    config = tiny(model=name, width=None, dropout=None, model_options=options, edge_weight=0.05)
    networks = build_networks(config).train()
    for stage in Stage:
        terms = compute_terms(networks, config, stage, batch, Constant())
        networks.zero_grad()
        terms.total.backward()
        assert all((p.grad is None) == (stage is Stage.REBLUR) for p in networks.deblur.parameters())
        assert all(bool(p.grad.isfinite().all()) for p in networks.parameters() if p.grad is not None)


def test_ifan_trains_by_jdrl_without_dual_pixels(tiny: MakeConfig, batch: dict[str, Tensor]) -> None:
    """IFAN*: no loss of its defocus map, and JDRL's reblurring network in place of its own."""
    config = tiny(model="ifan", width=4, dropout=None, model_options={"iterations": 2})
    networks = build_networks(config).train()
    assert not any("reblurNet" in name for name, _ in networks.deblur.named_parameters())
    compute_terms(networks, config, Stage.SECOND, batch, Constant()).total.backward()
    still = [name for name, p in networks.named_parameters() if p.grad is None or not bool(p.grad.any())]
    assert still == []


def test_stages_and_rates_follow_the_epochs() -> None:
    config = TrainConfig(reblur_epochs=2, reblur_learning_rate=1e-3)
    assert [stage_of(config, epoch) for epoch in (0, 1, 2, 16, 17)] == [
        Stage.REBLUR,
        Stage.REBLUR,
        Stage.FIRST,
        Stage.FIRST,
        Stage.SECOND,
    ]
    assert [learning_rate_of(config, epoch, 0) for epoch in (0, 2, 61, 62)] == [1e-3, 2e-5, 2e-5, 1e-5]
    warm = TrainConfig(warm_up=4, learning_rate=1.0)
    assert [learning_rate_of(warm, 0, step) for step in range(5)] == [0.25, 0.5, 0.75, 1, 1]
