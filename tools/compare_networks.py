"""Which small network learns most in equal processor time? Prints a line each; the choice of the bundled network.

    python tools/compare_networks.py --photos photos --out runs/compare --options tools/train_bundled.toml --minutes 2

Each is trained from scratch by ``tools/train_bundled.py`` for the same processor time (making pairs included), without
LPIPS, and judged on the same validation pairs.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

from sdd_bench.models.spec import ModelSpec

CANDIDATES: dict[str, ModelSpec] = {
    "unet-small": ModelSpec("unet-small"),
    "unet-laplacian": ModelSpec("unet-laplacian"),
    "unet-folded, one stage of 10 blocks": ModelSpec("unet-folded", options={"blocks": [10]}),
    "unet-folded, stages of 2 and 5": ModelSpec("unet-folded", options={"blocks": [2, 5]}),
    "unet-folded, stages of 2, 2 and 2": ModelSpec("unet-folded"),
}


def main() -> None:
    """Train each, then the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--options", type=Path)
    parser.add_argument("--minutes", type=float, default=2.0)
    arguments = parser.parse_args()
    rows = ["| network | million parameters | steps | PSNR gain, dB | worst | still, dB |", "|" + "---|" * 6]
    for name, spec in CANDIDATES.items():
        out = arguments.out / name.replace(",", "").replace(" ", "-")
        command = [sys.executable, str(Path(__file__).with_name("train_bundled.py"))]
        command += ["--photos", str(arguments.photos), "--out", str(out), "--model", spec.model]
        command += ["--network", json.dumps(spec.options), "--minutes", str(arguments.minutes), "--clock", "cpu"]
        command += ["--loaders", "0", "--crop", "128", "--validate-every", "100000"]
        command += ["--perceptual-weight", "0", "--jdrl-steps", "0"]
        command += ["--options", str(arguments.options)] if arguments.options else []
        subprocess.run(command, check=True)
        lines = [json.loads(line) for line in (out / "log.jsonl").read_text(encoding="utf-8").splitlines()]
        last = [line for line in lines if "step" in line][-1]
        size = sum(parameter.numel() for parameter in spec.build().parameters()) / 1e6
        rows.append(
            f"| {name} | {size:.2f} | {last['step']} | {last['gain_db']:+.3f} | {last['worst_gain_db']:+.3f} | "
            f"{last['still_psnr_db']:.1f} |"
        )
    print("\n".join(rows))


if __name__ == "__main__":
    main()
