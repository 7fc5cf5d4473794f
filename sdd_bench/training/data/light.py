"""The transfer of light of every pair of a set, from the flow of the first stage, once per run.

Pairs that ``analyze`` has measured take the transfer of its table, if one is given. For the others, a patch alone holds
too few places that no blur crosses. So the patches of a pair are laid back where they were cut,
with their flow, and the transfer is estimated on that picture. Vignetting (``gain+field``) is about its centre.

``RUN/light.json`` keeps the transfers: a resumed run goes on with the same light.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import interpolate

from sdd_bench.core.errors import ConfigError
from sdd_bench.core.storage.documents import read_json
from sdd_bench.core.storage.files import write_json
from sdd_bench.core.types import OnProgress, Progress
from sdd_bench.flow.warp import backwarp, valid_mask
from sdd_bench.images.photograph import to_float
from sdd_bench.preparation.match import light_table, transfer_of, transfers_of
from sdd_bench.prepared.manifest import is_prepared, read_manifest
from sdd_bench.prepared.shards import FlowReader, ShardSet, shard_paths
from sdd_bench.prepared.torch_dataset import PatchLight
from sdd_bench.registration.light.estimate import estimate_transfer
from sdd_bench.registration.light.transfer import Match, Place, Transfer
from sdd_bench.training.data.split import splits_of

LIGHT_JSON = "light.json"
SCHEMA = 1
_COVERED = 0.999
Picture = NDArray[np.float32]


def light_of_patches(
    data: Path,
    flow_file: Path,
    match: Match,
    kept: Path,
    *,
    table: Path | None = None,
    on_progress: OnProgress | None = None,
) -> dict[str, list[PatchLight]]:
    """The transfer of every patch by split, in the order of the patches.

    Args:
        data: Prepared set or shard.
        flow_file: Flow of its patches, from :func:`~sdd_bench.training.data.stage_one_flow.ensure_flow`.
        match: What a transfer may do.
        kept: File of transfers; read where it exists, else written.
        table: ``misalignment.csv`` of ``analyze``; a pair that it holds takes its transfer from there.
        on_progress: Function that is called after every pair. An error that it raises ends the estimation.

    Raises:
        ConfigError: The file of transfers or the table is damaged, or of another model; a table is given for a shard,
            which does not know its pictures; or ``prepare`` has matched the set.
        ManifestError: The table is not one of ``analyze``, or was made of other pictures.
        ShardError: Patches or flow are damaged.
    """
    if is_prepared(data) and read_manifest(data).light:
        raise ConfigError(f"{data}: its sharp pictures were matched by prepare already; leave match out.")
    splits = splits_of(data)
    shards = {split: ShardSet(shard_paths(data, split)) for split in splits}
    known = _read(kept, match) if kept.is_file() else _measured(data, table, match) if table else {}
    found: dict[str, Transfer] = {}
    names = _names(data)
    pairs = {split: shards[split].column("pair") for split in splits}
    windows = {split: shards[split].column("window") for split in splits}
    total = sum(len(np.unique(numbers)) for numbers in pairs.values())
    for split in splits:
        flows: FlowReader | None = None
        for number in np.unique(pairs[split]).tolist():
            name = names(split, number)
            if name in known:
                found[name] = known[name]
                continue
            flows = flows or FlowReader(flow_file, split)
            indices = np.flatnonzero(pairs[split] == number).tolist()
            blurry, sharp, flow, valid = _laid_out(shards[split], flows, indices, windows[split])
            found[name] = estimate_transfer(blurry, sharp, flow=flow, model=match, valid=valid)
            if on_progress is not None:
                on_progress(Progress(len(found), total, item="light of blurry and sharp"))
    if not kept.is_file() or found.keys() - known.keys():
        pairs_json = {name: json.loads(transfer.to_json()) for name, transfer in found.items()}
        write_json(kept, {"schema": SCHEMA, "match": match.value, "pairs": pairs_json})
    result = {}
    for split in splits:
        sides = {number: _sides(windows[split][pairs[split] == number]) for number in np.unique(pairs[split]).tolist()}
        result[split] = [
            PatchLight(found[names(split, pair)], Place(int(window[0]), int(window[1]), *sides[pair]))
            for pair, window in zip(pairs[split].tolist(), windows[split], strict=True)
        ]
        shards[split].close()
    return result


def _measured(data: Path, path: Path, match: Match) -> dict[str, Transfer]:
    """Transfers by pair id, of the pairs of ``data`` that the table holds."""
    if not is_prepared(data):
        raise ConfigError(
            f"{data}: a shard does not know of which pictures it was cut; give the prepared set, or no --light."
        )
    transfers = transfers_of(light_table(path))
    found = {}
    for row in read_manifest(data).pairs:
        transfer = transfer_of(row.pair_id, (row.blurry_sha256, row.sharp_sha256), transfers)
        if transfer is None:
            continue
        if transfer.model not in (match, Match.NONE):  # none: could not be estimated, and stays as it is
            raise ConfigError(
                f"{path}: its transfers are of model {transfer.model.value}, expected {match.value}. Give "
                f"--match {transfer.model.value}, or analyze with --match {match.value}."
            )
        found[row.pair_id] = transfer
    return found


def _names(data: Path) -> Callable[[str, int], str]:
    """Name of a pair by split and row; a shard knows only the row."""
    if not is_prepared(data):
        return lambda split, number: f"{split}/pair {number}"
    rows = read_manifest(data).pairs
    return lambda split, number: rows[number].pair_id


def _sides(windows: NDArray[Any]) -> tuple[int, int]:
    """Height and width of the picture that the patches cover."""
    return int((windows[:, 0] + windows[:, 2]).max()), int((windows[:, 1] + windows[:, 3]).max())


def _laid_out(
    shards: ShardSet, flows: FlowReader, indices: list[int], windows: NDArray[Any]
) -> tuple[Picture, Picture, Picture, NDArray[np.bool_]]:
    """Blurry and sharp picture ``(H, W, 3)``, the flow ``(2, H, W)``, and where all three are known."""
    height, width = _sides(windows[indices])
    blurry, sharp = (np.zeros((height, width, 3), np.float32) for _ in range(2))
    flow, weight = np.zeros((2, height, width), np.float32), np.zeros((height, width), np.float32)
    patch = shards.patch
    ramp = np.minimum(np.arange(patch), np.arange(patch)[::-1]) + 1.0
    tent = np.minimum(ramp[:, None], ramp).astype(np.float32)  # flow is least sure at the border of a patch
    for index in indices:
        y, x = windows[index, :2].tolist()
        part = (slice(y, y + patch), slice(x, x + patch))
        pixels = shards.read_patch(index)
        blurry[part], sharp[part] = to_float(pixels.blurry), to_float(pixels.sharp)
        whole = interpolate(torch.from_numpy(flows.read(index))[None], (patch, patch), mode="bilinear")[0].numpy()
        flow[(slice(None), *part)] += tent * whole
        weight[part] += tent
    covered = weight > 0
    flow /= np.where(covered, weight, 1)
    field = torch.from_numpy(flow)[None]
    moved = backwarp(torch.from_numpy(covered.astype(np.float32))[None, None], field)[0, 0].numpy()
    return blurry, sharp, flow, covered & (moved > _COVERED) & valid_mask(field)[0, 0].numpy()


def _read(path: Path, match: Match) -> Mapping[str, Transfer]:
    try:
        values = read_json(path, {"schema": int, "match": str, "pairs": {"*": dict}}, ConfigError, "")
        if values["schema"] != SCHEMA or values["match"] != match.value:
            raise ConfigError(f"schema {values['schema']}, match {values['match']}")
        return {name: Transfer.from_json(json.dumps(value)) for name, value in values["pairs"].items()}
    except ConfigError as error:
        raise ConfigError(
            f"{path}: expected the transfers of light of this run (schema {SCHEMA}, match {match.value}), got {error}. "
            "Start the run anew in another folder."
        ) from error
