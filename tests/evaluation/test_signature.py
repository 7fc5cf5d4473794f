"""Protocol signatures: what changes them, and what does not."""

import dataclasses

import numpy as np
import pytest

from sdd_bench.core.types import WarpMode
from sdd_bench.evaluation.signature import Protocol, dataset_sha256, describe_crop, digest, pixels_sha256
from sdd_bench.registration.light.transfer import Match

PROTOCOL = Protocol(
    pixels_sha256="aa",
    bit_depth="8",
    resize="none",
    crop="none",
    metrics=("psnr", "lpips"),
    lpips_sha256="bb",
    flow_signature="pwcnet cc, resolution full, precision 32",
    warp=WarpMode.EXACT,
    match=Match.GAIN,
)


def test_signatures_are_lines_that_name_the_protocol() -> None:
    signatures = PROTOCOL.signatures()
    assert signatures["raw"] == "raw: pixels=aa bits=8 resize=none crop=none metrics=defocus:psnr,lpips lpips=bb"
    assert signatures["registered"].endswith(
        "lpips=bb flow=[pwcnet cc, resolution full, precision 32] warp=exact border=replicate"
    )
    assert signatures["matched"].endswith("border=replicate match=gain light=2")
    assert len(set(signatures.values())) == 4


@pytest.mark.parametrize("change", [{"flow_signature": "dis"}, {"warp": WarpMode.RELEASED}])
def test_flow_and_warp_change_all_signatures_but_raw(change: dict[str, object]) -> None:
    before, after = PROTOCOL.signatures(), dataclasses.replace(PROTOCOL, **change).signatures()  # type: ignore[arg-type]
    assert [truth for truth in before if before[truth] != after[truth]] == ["warped", "registered", "matched"]


def test_the_way_of_matching_changes_matched_alone() -> None:
    before, after = PROTOCOL.signatures(), dataclasses.replace(PROTOCOL, match=Match.TONE).signatures()
    assert [truth for truth in before if before[truth] != after[truth]] == ["matched"]


@pytest.mark.parametrize(
    "change",
    [{"pixels_sha256": "x"}, {"bit_depth": "16"}, {"resize": "0.5"}, {"crop": "center:8x8"}, {"lpips_sha256": ""}],
)
def test_everything_else_changes_all_signatures(change: dict[str, object]) -> None:
    before, after = PROTOCOL.signatures(), dataclasses.replace(PROTOCOL, **change).signatures()  # type: ignore[arg-type]
    assert all(before[truth] != after[truth] for truth in before)


def test_pixel_hashes_tell_shape_and_bit_depth_apart(rng: np.random.Generator) -> None:
    picture = rng.integers(0, 256, (4, 6, 3), dtype=np.uint8)
    others = [picture.reshape(6, 4, 3), picture.astype(np.uint16), picture ^ 1]
    hashes = {pixels_sha256(other) for other in (picture, *others)}
    assert len(hashes) == 4
    assert pixels_sha256(picture[:, ::-1][:, ::-1]) == pixels_sha256(picture)
    wide = picture.astype(np.uint16)
    assert pixels_sha256(wide.astype(">u2")) == pixels_sha256(wide)


def test_the_dataset_hash_knows_order_and_roles() -> None:
    pairs = [("a", "b"), ("c", "d")]
    assert len({dataset_sha256(pairs), dataset_sha256(pairs[::-1]), dataset_sha256([("b", "a"), ("c", "d")])}) == 3


def test_crops_are_named_by_their_size_or_their_list() -> None:
    assert describe_crop("center", [], 2) == "none"
    assert describe_crop("center", [("a", "8x8"), ("b", "8x8")], 2) == "center:8x8"
    partial = {describe_crop("center", [(name, "8x8")], 2) for name in "ab"}
    assert len(partial) == 2
    assert all(len(text) == len("center:") + 16 for text in partial)


def test_a_digest_does_not_depend_on_the_order_of_keys() -> None:
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1}) != digest({"a": 2, "b": 1})
