"""The contextual loss between pictures."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from sdd_bench.core.errors import ConfigError, WeightsError
from sdd_bench.training.config import TrainConfig
from sdd_bench.training.contextual.features import FeatureNetwork, Layer, load_features
from sdd_bench.training.contextual.loss import ContextualLoss, load_contextual
from sdd_bench.training.contextual.similarity import Form, Similarity


@pytest.fixture(scope="module")
def alexnet() -> FeatureNetwork:
    return load_features()


def picture(seed: int, height: int = 40, width: int = 56) -> Tensor:
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("form", list(Form))
def test_an_equal_picture_has_no_loss_and_another_a_gradient(form: Form, alexnet: FeatureNetwork) -> None:
    loss = ContextualLoss(alexnet, Similarity(form), most_places=100)
    assert abs(loss(picture(0), picture(0)).item()) < 1e-2
    predicted = picture(0).requires_grad_()
    value = loss(predicted, picture(1))
    value.backward()
    assert value > 1
    assert predicted.grad is not None
    assert predicted.grad.isfinite().all()
    assert predicted.grad.abs().max() > 0


def test_a_constant_picture_has_a_finite_gradient(alexnet: FeatureNetwork) -> None:
    predicted = torch.full((1, 3, 40, 40), 0.5, requires_grad=True)
    ContextualLoss(alexnet)(predicted, torch.full((1, 3, 40, 40), 0.5)).backward()
    assert predicted.grad is not None
    assert predicted.grad.isfinite().all()


def test_drawn_places_keep_their_coordinates() -> None:
    """Places drawn of a wide map lie where their features do: here a feature is the place it comes from."""
    loss = ContextualLoss(FeatureNetwork("none", nn.Identity(), lambda _: [], smallest=1), most_places=50)
    rows, columns = torch.meshgrid(torch.arange(9.0), torch.arange(20.0), indexing="ij")
    values = torch.stack([rows, columns])[None]
    drawn = loss.draw(9, 20, stride_px=4, device=torch.device("cpu"))
    features = values[0][:, drawn.rows, drawn.columns].T
    assert len(features) == 50
    assert len({tuple(row) for row in features.tolist()}) == 50
    assert torch.equal(drawn.places.pixels, 4 * features)
    assert torch.equal(drawn.places.shares, features / torch.tensor([9, 20]))


def test_half_precision_outside_changes_nothing(alexnet: FeatureNetwork) -> None:
    loss = ContextualLoss(alexnet)
    pair = picture(0).half(), picture(1).half()
    expected = loss(*(values.float() for values in pair))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(loss(*pair), expected)


def test_the_loss_of_a_batch_is_the_mean_of_its_pictures(alexnet: FeatureNetwork) -> None:
    loss = ContextualLoss(alexnet)
    a, b = (picture(0), picture(1)), (picture(2), picture(3))
    together = loss(torch.cat([a[0], b[0]]), torch.cat([a[1], b[1]]))
    torch.testing.assert_close(together, (loss(*a) + loss(*b)) / 2)


def test_a_small_crop_is_refused(alexnet: FeatureNetwork) -> None:
    with pytest.raises(ConfigError, match="31 pixels"):
        ContextualLoss(alexnet)(picture(0, 16), picture(1, 16))


def test_vgg_is_read_from_torchvisions_file(tmp_path: Path) -> None:
    torchvision = pytest.importorskip("torchvision")
    torch.manual_seed(0)
    vgg = torchvision.models.vgg19(weights=None)
    torch.save(vgg.state_dict(), tmp_path / "vgg19.pth")
    layers = load_features(tmp_path / "vgg19.pth")(picture(0, 32, 48))
    assert [(layer.values.shape[1:], layer.stride_px, layer.weight) for layer in layers] == [
        ((64, 32, 48), 1, 1.0),
        ((128, 16, 24), 2, 1.0),
        ((256, 8, 12), 4, 0.5),
    ]
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    scaled = (picture(0, 32, 48) - mean.view(3, 1, 1)) / std.view(3, 1, 1)
    for module in vgg.features:
        if isinstance(module, nn.ReLU):
            module.inplace = False
    averaged = nn.Sequential(*(nn.AvgPool2d(2) if isinstance(m, nn.MaxPool2d) else m for m in vgg.features))
    for layer, end in zip(layers, (4, 9, 14), strict=True):
        torch.testing.assert_close(layer.values, averaged[:end](scaled))


def test_another_networks_weights_are_refused(tmp_path: Path) -> None:
    torch.save({"conv.weight": torch.zeros(3)}, tmp_path / "other.pth")
    with pytest.raises(WeightsError, match=r"other\.pth: expected torchvision's VGG19"):
        load_features(tmp_path / "other.pth")


def test_the_signature_names_the_features() -> None:
    loss = load_contextual(TrainConfig(loss="cobi", most_places=9), torch.device("cpu"))
    assert loss is not None
    assert loss.signature.startswith("alexnet:")
    assert loss.most_places == 9
    assert load_contextual(TrainConfig(), torch.device("cpu")) is None


def test_layers_have_weights(alexnet: FeatureNetwork) -> None:
    layers: list[Layer] = alexnet(picture(0, 64, 64))
    assert [(layer.stride_px, layer.weight) for layer in layers] == [(4, 1.0), (8, 1.0), (16, 0.5)]
