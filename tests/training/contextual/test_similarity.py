"""The contextual loss against its formulas, written out in loops."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from sdd_bench.training.contextual.similarity import (
    Form,
    Places,
    Similarity,
    contextual_loss,
    cosine_distance,
    cosine_features,
    squared_distance,
)

Matrix = NDArray[np.float64]
HEIGHT, WIDTH = 5, 9


def grid(stride_px: float = 1.0) -> Places:
    """Places of a map that is wider than high."""
    rows, columns = np.divmod(np.arange(HEIGHT * WIDTH), WIDTH)
    indices = torch.tensor(np.stack([rows, columns], axis=1), dtype=torch.float32)
    return Places(stride_px * indices, indices / torch.tensor([HEIGHT, WIDTH]))


@pytest.fixture
def features() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(HEIGHT * WIDTH, 4, generator=generator), torch.randn(HEIGHT * WIDTH, 4, generator=generator)


def written_out(predicted: Tensor, target: Tensor, places: Places, options: Similarity) -> float:
    """The formulas of the module for squared distances, place by place, in float64."""
    p, t = predicted.double().numpy(), target.double().numpy()
    pixels, corners = places.pixels.double().numpy(), 255 * places.shares.double().numpy()
    similarity = np.zeros((len(t), len(p)))
    for i in range(len(t)):
        relative = near(t[i], p)
        if options.form is Form.COBI:
            relative += options.spatial_weight * ((pixels[i] - pixels) ** 2).sum(axis=1) / options.reach_px**2
        similarity[i] = share(relative, options.bandwidth)
        if options.form is Form.COBI_RELEASED:
            nearby = share(near(corners[i], corners), options.bandwidth)
            similarity[i] = (1 - options.spatial_weight) * similarity[i] + options.spatial_weight * nearby
    return float(-np.log(similarity.max(axis=0).mean()))


def near(one: Matrix, others: Matrix) -> Matrix:
    distances = ((one - others) ** 2).sum(axis=1)
    return np.asarray(distances / (distances.min() + 1e-3))


def share(relative: Matrix, bandwidth: float) -> Matrix:
    weights = np.exp((1 - relative) / bandwidth)
    return np.asarray(weights / weights.sum())


@pytest.mark.parametrize("form", list(Form))
@pytest.mark.parametrize("block_numbers", [1, 7 * HEIGHT * WIDTH, 2**22])
def test_the_loss_is_its_formula_whatever_the_block(
    form: Form, block_numbers: int, features: tuple[Tensor, Tensor]
) -> None:
    options = Similarity(form, spatial_weight=0.3, reach_px=2.5)
    loss = contextual_loss(*features, grid(), distance=squared_distance, options=options, block_numbers=block_numbers)
    assert loss.item() == pytest.approx(written_out(*features, grid(), options), rel=1e-4)


def test_blocks_change_no_gradient(features: tuple[Tensor, Tensor]) -> None:
    gradients = []
    for block_numbers in (100, 2**22):
        predicted = features[0].clone().requires_grad_()
        pair = cosine_features(predicted, features[1])
        contextual_loss(*pair, grid(), block_numbers=block_numbers).backward()
        assert predicted.grad is not None
        gradients.append(predicted.grad)
    torch.testing.assert_close(*gradients)
    assert gradients[0].abs().max() > 0


def test_the_cosine_distance_is_half_of_one_less_the_cosine_about_the_predictions_mean(
    features: tuple[Tensor, Tensor],
) -> None:
    predicted, target = (values.double().numpy() for values in features)
    mean = predicted.mean(axis=0)
    ours, theirs = cosine_features(*features)
    a, b = target[3] - mean, predicted[5] - mean
    expected = (1 - a @ b / np.linalg.norm(a) / np.linalg.norm(b)) / 2
    assert cosine_distance(theirs, ours)[3, 5].item() == pytest.approx(expected, rel=1e-5)


def test_equal_features_have_no_loss_and_others_have(features: tuple[Tensor, Tensor]) -> None:
    for form in Form:
        pairs = {"equal": (features[0], features[0]), "others": features}
        loss = {
            name: contextual_loss(*pair, grid(), distance=squared_distance, options=Similarity(form)).item()
            for name, pair in pairs.items()
        }
        assert abs(loss["equal"]) < 1e-3 < loss["others"]


def test_cobi_prefers_the_nearer_of_equal_things(features: tuple[Tensor, Tensor]) -> None:
    same, noise = features[0], 0.3 * features[1]  # of exactly equal ones the nearest is infinitely nearer
    stacked = same.view(HEIGHT, WIDTH, -1)
    moved = [stacked.roll(shift, dims=1).reshape(HEIGHT * WIDTH, -1) + noise for shift in (0, 1, 4)]
    options = Similarity(Form.COBI, reach_px=1.0)
    here, near_by, far = (
        contextual_loss(values, same, grid(), distance=squared_distance, options=options).item() for values in moved
    )
    assert here < near_by - 0.05 < far - 0.1


@pytest.mark.parametrize(("form", "matter"), [(Form.CONTEXTUAL, False), (Form.COBI, True), (Form.COBI_RELEASED, False)])
def test_what_places_matter_to(form: Form, matter: bool, features: tuple[Tensor, Tensor]) -> None:
    places, order = grid(), torch.randperm(HEIGHT * WIDTH, generator=torch.Generator().manual_seed(1))
    elsewhere = Places(places.pixels[order], places.shares[order])
    losses = [
        contextual_loss(*features, given, distance=squared_distance, options=Similarity(form, spatial_weight=0.3))
        for given in (places, elsewhere)
    ]
    assert (abs(losses[0] - losses[1]).item() > 1e-2) == matter


def test_features_of_zeros_have_a_finite_gradient() -> None:
    predicted = torch.zeros(HEIGHT * WIDTH, 4, requires_grad=True)
    contextual_loss(*cosine_features(predicted, torch.zeros(HEIGHT * WIDTH, 4)), grid()).backward()
    assert predicted.grad is not None
    assert predicted.grad.isfinite().all()
