"""Network weights by name: where each file is, and that it is the right one.

``pwcnet`` and ``unet-small-jdrl`` come with the package. ``alexnet``, the backbone of LPIPS, is fetched once into the
cache folder (``SDD_BENCH_CACHE``, else the user's cache folder). Every file has its sha256 in :data:`TABLE`, and none
is handed out that does not have it.
"""

from sdd_bench.weights.cache import Listed, State, cache_dir, fetch, fetched_names, listing, path, sha256, state, verify
from sdd_bench.weights.table import TABLE, Weight

__all__ = [
    "TABLE",
    "Listed",
    "State",
    "Weight",
    "cache_dir",
    "fetch",
    "fetched_names",
    "listing",
    "path",
    "sha256",
    "state",
    "verify",
]
