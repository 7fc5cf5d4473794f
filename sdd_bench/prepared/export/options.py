"""Options of ``export``."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal

from sdd_bench.core.errors import ConfigError

EXPORT_JSON = "export.json"
"""What an export is of."""
SUMS = "SHA256SUMS"
"""Its checksums."""
FORMATS = ("sdd", "imagefolder", "parquet", "webdataset", "basicsr")
"""Names of the formats."""


@dataclass(frozen=True)
class ExportOptions:
    """What is exported, and what the card says."""

    format: str = "sdd"
    """One of :data:`FORMATS`."""
    only: Literal["all", "patches", "frames"] = "all"
    """Patches, full pictures, or what the set holds."""
    license: str = ""
    """Licence of the pictures, as Hugging Face spells it, such as ``cc-by-4.0``."""
    citation: str = ""
    """How to cite the set, BibTeX or plain text."""
    published: str = ""
    """Day of publication, YYYY-MM-DD."""

    def __post_init__(self) -> None:
        if self.format not in FORMATS:
            raise ConfigError(f"format is {self.format!r}; expected one of {', '.join(FORMATS)}.")
        if self.only not in ("all", "patches", "frames"):
            raise ConfigError(f"only is {self.only!r}; expected all, patches or frames.")
        if any(not (letter.isalnum() or letter in "-._+") for letter in self.license):
            raise ConfigError(f"license is {self.license!r}; expected an identifier such as cc-by-4.0.")
        if self.published:
            try:
                date.fromisoformat(self.published)
            except ValueError:
                raise ConfigError(f"date is {self.published!r}; expected YYYY-MM-DD.") from None
