"""HDF5 shards of patches: written pair by pair, joined by a virtual dataset, read one chunk at a time.

A shard of N patches holds these datasets:

- ``/blurry`` and ``/sharp``, (N, 512, 512, 3) uint8 or uint16 RGB: one patch per chunk, lossless, with Fletcher32;
- ``/pair``, (N,) int32: row of pairs.csv;
- ``/window``, (N, 4) int32: y, x, height and width of the patch in the resized picture;
- ``/sharpness``, (N,) float32;

and the attributes schema, split, color, bit_depth and resize. Each chunk is bound to its place, see
:mod:`~sdd_bench.prepared.shards.places`. A shard is written once and never changed. It contains no
dates and no absolute paths, so the same patches give the same bytes.
"""

from __future__ import annotations

from sdd_bench.prepared.shards.flows import FlowReader, flow_info, flow_path, write_flows
from sdd_bench.prepared.shards.read import Patches, ShardReader
from sdd_bench.prepared.shards.schema import COMPRESSIONS, ShardInfo, shard_info
from sdd_bench.prepared.shards.sets import ShardSet, shard_paths
from sdd_bench.prepared.shards.verify import verify_flows, verify_shard
from sdd_bench.prepared.shards.write import PairPatches, build_virtual, write_shard

__all__ = [
    "COMPRESSIONS",
    "FlowReader",
    "PairPatches",
    "Patches",
    "ShardInfo",
    "ShardReader",
    "ShardSet",
    "build_virtual",
    "flow_info",
    "flow_path",
    "shard_info",
    "shard_paths",
    "verify_flows",
    "verify_shard",
    "write_flows",
    "write_shard",
]
