"""The photographs that the bundled network learned from: where each comes from, whose it is, on what terms.

    apt-get download lomiri-wallpapers-16.04 palapeli-data    # Debian 12; then dpkg-deb -x each into DIR
    pip download --no-deps scikit-image==0.26.0 scikit-learn==1.9.1    # then unzip each into DIR
    python tools/bundled_photos.py DIR photos

Copies them from ``DIR`` and prints the table of the card. All are CC0, CC-BY or in the public domain.
"""

from __future__ import annotations

import argparse
import shutil
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Photo:
    """One photograph."""

    file: str
    author: str
    licence: str
    source: str


_LOMIRI, _PALAPELI = "Debian lomiri-wallpapers-16.04", "Debian palapeli-data"
_SKIMAGE, _SKLEARN = "scikit-image 0.26.0", "scikit-learn 1.9.1"
PHOTOS = (
    Photo("Picture_0B_by_freespace.jpg", 'Trevor "Freespace"', "CC-BY-4.0", _LOMIRI),
    Photo("Picture_1A_by_freespace.jpg", 'Trevor "Freespace"', "CC-BY-4.0", _LOMIRI),
    Photo("Wine_by_Jakkub_Mede.jpg", "Jakub Mede", "CC-BY-4.0", _LOMIRI),
    Photo("aitzgorri_by_Aitzol_Berasategi.jpg", "Aitzol Berasategi", "CC-BY-4.0", _LOMIRI),
    Photo("friends_by_Aitzol_Berasategi.jpg", "Aitzol Berasategi", "CC-BY-4.0", _LOMIRI),
    Photo("life_by_Aitzol_Berasategi.jpg", "Aitzol Berasategi", "CC-BY-4.0", _LOMIRI),
    Photo("picosdeeuropa_by_Aitzol_Berasategi.jpg", "Aitzol Berasategi", "CC-BY-4.0", _LOMIRI),
    Photo("seeding_by_Clements_Engelhardt.jpg", "Clemens Engelhardt", "CC0-1.0", _LOMIRI),
    Photo("sunset_by_Aitzol_Berasategi.jpg", "Aitzol Berasategi", "CC-BY-4.0", _LOMIRI),
    Photo("cincinnati-bridge.jpg", "Derek Jensen", "public domain", _PALAPELI),
    Photo("citrus-fruits.jpg", "US Department of Agriculture", "public domain", _PALAPELI),
    Photo("european-honey-bee.jpg", "John Severns", "public domain", _PALAPELI),
    Photo("china.jpg", "danielbuechele", "CC-BY-2.0", _SKLEARN),
    Photo("flower.jpg", "vultilion", "CC-BY-2.0", _SKLEARN),
    Photo("astronaut.png", "NASA", "public domain", _SKIMAGE),
    Photo("brick.png", "CC0Textures", "CC0-1.0", _SKIMAGE),
    Photo("chelsea.png", "Stefan van der Walt", "CC0-1.0", _SKIMAGE),
    Photo("coffee.png", "Rachel Michetti", "CC0-1.0", _SKIMAGE),
    Photo("grass.png", "linolafett", "CC0-1.0", _SKIMAGE),
    Photo("gravel.png", "CC0Textures", "CC0-1.0", _SKIMAGE),
    Photo("rocket.jpg", "SpaceX", "public domain", _SKIMAGE),
)


def main() -> None:
    """Copy, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("unpacked", type=Path)
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    print("| photograph | author | licence | from |\n|---|---|---|---|")
    for photo in PHOTOS:
        found = sorted(arguments.unpacked.rglob(photo.file))
        if not found:
            raise SystemExit(f"{arguments.unpacked}: {photo.file} is not there; unpack {photo.source}.")
        shutil.copyfile(found[0], arguments.out / photo.file)
        print(f"| `{photo.file}` | {photo.author} | {photo.licence} | {photo.source} |")


if __name__ == "__main__":
    main()
