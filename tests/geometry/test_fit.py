import math

import numpy as np
import pytest
import torch

from sdd_bench.core.errors import ImageError
from sdd_bench.flow.compose import compose_flow, invert_flow, similarity_flow
from sdd_bench.geometry.fit import fit_similarity
from sdd_bench.geometry.similarity import Similarity

KNOWN = Similarity(zoom=1.0125, rotation_deg=-0.3, shift_x_px=4.25, shift_y_px=-2.5)


def as_tuple(similarity: Similarity) -> tuple[float, ...]:
    return similarity.zoom, similarity.rotation_deg, similarity.shift_x_px, similarity.shift_y_px


def exact_flow(similarity: Similarity, height: int, width: int) -> np.ndarray:
    """The definition in sdd_bench.core.types, written out."""
    y, x = np.mgrid[:height, :width].astype(np.float64)
    qx, qy = x - (width - 1) / 2, y - (height - 1) / 2
    c, s = (f(math.radians(similarity.rotation_deg)) for f in (math.cos, math.sin))
    z = similarity.zoom
    return np.stack(
        (z * (c * qx - s * qy) + similarity.shift_x_px - qx, z * (s * qx + c * qy) + similarity.shift_y_px - qy)
    )


def test_the_flow_of_a_similarity_follows_its_definition():
    np.testing.assert_allclose(similarity_flow(KNOWN, 31, 50), exact_flow(KNOWN, 31, 50), atol=1e-6)


@pytest.mark.parametrize("robust", [False, True])
def test_a_known_similarity_is_recovered_to_the_last_digits(robust):
    fit = fit_similarity(exact_flow(KNOWN, 61, 90), robust=robust)
    np.testing.assert_allclose(as_tuple(fit.similarity), as_tuple(KNOWN), atol=1e-10)
    assert fit.residual_px < 1e-10
    assert fit.rms_px == pytest.approx(np.sqrt((exact_flow(KNOWN, 61, 90) ** 2).sum(0).mean()), rel=1e-12)


def test_positive_rotation_turns_x_towards_y():
    flow = similarity_flow(Similarity(rotation_deg=1), 41, 41)
    assert flow[1, 20, 40] > 0  # right of the centre the picture moves down


def test_a_zero_flow_is_the_identity():
    fit = fit_similarity(np.zeros((2, 20, 30)), robust=True)
    assert as_tuple(fit.similarity) == (1, 0, 0, 0)
    assert fit.rms_px == fit.residual_px == 0


def test_the_residual_is_what_the_similarity_cannot_explain(rng):
    noise = rng.normal(0, 0.5, (2, 120, 160))
    fit = fit_similarity(exact_flow(KNOWN, 120, 160) + noise)
    assert fit.residual_px == pytest.approx(0.5 * math.sqrt(2), rel=0.02)


@pytest.mark.parametrize("robust", [False, True])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_the_residual_counts_every_pixel_by_its_weight_in_float64(rng, kind, robust):
    height, width = 700, 800  # more pixels than a robust fit looks at, in several strips
    flow = (exact_flow(KNOWN, height, width) + rng.normal(0, 0.5, (2, height, width))).astype(kind)
    weights = rng.random((height, width))
    fit = fit_similarity(flow, weights, robust=robust)
    away = ((flow.astype(np.float64) - exact_flow(fit.similarity, height, width)) ** 2).sum(0)
    assert fit.residual_px == pytest.approx(math.sqrt((weights * away).sum() / weights.sum()), rel=1e-9)


def test_wavy_lines_are_deformation_and_not_drift():
    flow = np.zeros((2, 128, 128))
    flow[1] = 2 * np.sin(np.arange(128) / 128 * 16 * np.pi)
    fit = fit_similarity(flow)
    assert fit.rms_px < 0.3
    assert fit.residual_px == pytest.approx(math.sqrt(2), rel=0.03)


def test_a_robust_fit_ignores_a_third_of_the_picture_that_moves_otherwise(rng):
    flow = exact_flow(KNOWN, 120, 160) + rng.normal(0, 0.05, (2, 120, 160))
    flow[:, :, :55] += 7
    plain, robust = fit_similarity(flow).similarity, fit_similarity(flow, robust=True).similarity
    difference = robust @ KNOWN.inverse()
    assert difference.rms_px(120, 160) < 0.02
    assert abs(plain.shift_x_px - KNOWN.shift_x_px) > 1


def test_weights_of_zero_and_unknown_vectors_count_for_nothing():
    flow = exact_flow(KNOWN, 40, 60)
    flow[:, :10] = 99
    flow[:, 20, 5] = np.nan
    weights = np.ones((40, 60), bool)
    weights[:10] = False
    fit = fit_similarity(torch.from_numpy(flow), torch.from_numpy(weights))
    np.testing.assert_allclose(as_tuple(fit.similarity), as_tuple(KNOWN), atol=1e-9)
    assert fit.residual_px < 1e-9


def test_compose_applies_the_inner_one_first_and_invert_undoes():
    other = Similarity(0.98, 1.5, -3, 2)
    both = KNOWN @ other
    height, width = 51, 70
    first, second = (torch.from_numpy(exact_flow(s, height, width))[None] for s in (other, KNOWN))
    stepwise = compose_flow(first, second)[0]
    inner = (slice(None), slice(10, -10), slice(10, -10))
    np.testing.assert_allclose(stepwise[inner], exact_flow(both, height, width)[inner], atol=1e-9)
    np.testing.assert_allclose(as_tuple(KNOWN @ KNOWN.inverse()), (1, 0, 0, 0), atol=1e-12)


def test_invert_flow_leads_back():
    flow = torch.from_numpy(exact_flow(KNOWN, 64, 64))[None]
    back = invert_flow(flow)
    inner = (..., slice(12, -12), slice(12, -12))
    np.testing.assert_allclose(back[inner], exact_flow(KNOWN.inverse(), 64, 64)[None][inner], atol=1e-6)


def test_resizing_a_pair_scales_its_shift_alone():
    assert as_tuple(KNOWN.scaled(0.5)) == pytest.approx((KNOWN.zoom, KNOWN.rotation_deg, 2.125, -1.25))


@pytest.mark.parametrize(
    ("flow", "weights", "message"),
    [
        (np.zeros((3, 4, 4)), None, "expected a flow"),
        (np.zeros((2, 4, 4)), np.ones((4, 5)), "weights"),
        (np.zeros((2, 4, 4)), np.zeros((4, 4)), "at least two"),
        (np.full((2, 4, 4), np.nan), None, "at least two"),
        (np.zeros((2, 4, 4)), -np.ones((4, 4)), "non-negative"),
    ],
)
def test_what_cannot_be_fitted_is_refused(flow, weights, message):
    with pytest.raises(ImageError, match=message):
        fit_similarity(flow, weights)


def test_the_inverse_of_a_similarity_is_its_inverse() -> None:
    similarity = Similarity(zoom=1.02, rotation_deg=0.5, shift_x_px=3, shift_y_px=-2)
    flow = torch.from_numpy(np.asarray(similarity_flow(similarity, 60, 80)))[None].float()
    inverse = invert_flow(flow, steps=4)
    matrix = torch.tensor(
        [[np.cos(np.radians(0.5)), -np.sin(np.radians(0.5))], [np.sin(np.radians(0.5)), np.cos(np.radians(0.5))]]
    ).float()
    y, x = torch.meshgrid(torch.arange(60.0), torch.arange(80.0), indexing="ij")
    points = torch.stack((x, y)).flatten(1) - torch.tensor([[39.5], [29.5]])
    expected = torch.linalg.inv(1.02 * matrix) @ (points - torch.tensor([[3.0], [-2.0]])) - points
    error = (inverse[0].flatten(1) - expected).view(2, 60, 80)[:, 8:-8, 8:-8]
    assert float(error.abs().max()) < 1e-3
