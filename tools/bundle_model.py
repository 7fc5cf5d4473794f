"""Make a trained deblurring network the one that comes with the package: fp16, for ``sdd-bench predict``.

    python tools/train_bundled.py --photos photos --options tools/train_bundled.toml --out runs/bundled
    python tools/bundle_model.py runs/bundled/model.safetensors --pictures DIR

Prints what the table in ``sdd_bench/weights/table.py`` and the card beside the file have to say.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from safetensors import safe_open
from safetensors.torch import save_file

from sdd_bench.core.storage.files import sealed, sha256_of
from sdd_bench.images.photograph import read_photograph, to_float
from sdd_bench.metrics.psnr import psnr
from sdd_bench.models.network import load_network
from sdd_bench.prediction.options import PredictOptions
from sdd_bench.prediction.run import pictures_of, predict
from sdd_bench.weights import table


def main() -> None:
    """Write the file, and say what half precision costs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path, help="model.safetensors of a run")
    parser.add_argument("--pictures", type=Path, required=True, help="folder of blurry pictures")
    parser.add_argument("--name", default="unet-folded", help="in the table of weights")
    arguments = parser.parse_args()
    target = table.place(arguments.name)
    with safe_open(arguments.checkpoint, framework="pt") as file:
        halves = {name: file.get_tensor(name).half() for name in file.keys()}  # noqa: SIM118 (not a dictionary)
        metadata = file.metadata()
    with sealed(target) as partial:
        save_file(halves, partial, metadata=metadata)
    print(f"{target.name}: {target.stat().st_size} bytes, sha256 {sha256_of(target)}, {metadata}")
    pictures = pictures_of(arguments.pictures)
    made = []
    for file in (arguments.checkpoint, target):
        folder = arguments.checkpoint.parent / f"bundled-{len(made)}"
        predict(load_network(file), pictures, folder, PredictOptions(bit_depth="16"))
        made.append([to_float(read_photograph(path).pixels) for path in sorted(folder.glob("*.png"))])
    print(f"fp16 against float32: at least {min(psnr(a, b) for a, b in zip(*made, strict=True)):.1f} dB")


if __name__ == "__main__":
    main()
