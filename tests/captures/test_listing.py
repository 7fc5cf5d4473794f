"""What a folder of pictures holds, and what is said of the rest."""

import os
import shutil
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest

from sdd_bench.captures.listing import list_pictures
from sdd_bench.core.errors import PairingError


def test_names_that_no_table_can_hold_are_problems(tmp_path: Path) -> None:
    for name in (b"caf\xe9.png", b"two\rlines.png", "Ångström\u3000一.png".encode()):
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).touch()
    listing = list_pictures(tmp_path, tmp_path)
    assert listing.stems == ["Ångström\u3000一"]
    assert {problem.item for problem in listing.problems} == {r"'caf\udce9.png'", r"'two\rlines.png'"}
    assert all("rename it" in problem.reason for problem in listing.problems)


def test_a_folder_that_cannot_be_read_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open/a.png").touch()
    (tmp_path / "closed").mkdir()
    scandir = os.scandir

    def refusing(path: str) -> object:
        if Path(path).name == "closed":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    for folder in (tmp_path, tmp_path / "closed"):
        with pytest.raises(PairingError, match=r"closed: the folder cannot be read \(Permission denied\)\. Check"):
            list_pictures(folder, tmp_path)


def test_names_that_differ_only_in_how_accents_are_composed_are_one_name(tmp_path: Path) -> None:
    """File systems and archives write the same name in two ways."""
    name = "Übung_é_가"
    for form in ("NFC", "NFD"):
        (tmp_path / form).mkdir()
        (tmp_path / form / f"{unicodedata.normalize(form, name)}.png").touch()
    stems = [list_pictures(tmp_path / form, tmp_path).stems for form in ("NFC", "NFD")]
    assert stems == [[name], [name]]


def test_names_that_only_look_alike_are_told_apart(tmp_path: Path) -> None:
    for form in ("NFC", "NFD"):
        (tmp_path / f"{unicodedata.normalize(form, 'é')}.png").touch()
    listing = list_pictures(tmp_path, tmp_path)
    assert listing.stems == []
    assert [problem.reason for problem in listing.problems] == [
        r"2 pictures share the name é ('e\u0301.png', '\xe9.png'): keep one of them"
    ] * 2


@pytest.mark.parametrize("closed", ["", "train", "train/blur", "train/gt"])
def test_a_folder_without_the_right_to_read_it_is_one_line(tmp_path: Path, closed: str) -> None:
    """As a user without the rights of root; root gives them up for the command."""
    for side in ("blur", "gt"):
        (tmp_path / "set/train" / side).mkdir(parents=True)
        (tmp_path / "set/train" / side / "1.png").write_bytes(b"")
    command = [sys.executable, "-m", "sdd_bench", "info", str(tmp_path / "set")]
    if os.geteuid() == 0:
        if shutil.which("setpriv") is None:
            pytest.skip("root, and no setpriv to give up its rights")
        without = "-dac_override,-dac_read_search"
        command = ["setpriv", f"--bounding-set={without}", f"--inh-caps={without}", *command]
    (tmp_path / "set" / closed).chmod(0)
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    finally:
        (tmp_path / "set" / closed).chmod(0o755)
    assert done.returncode == 2, done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    assert "Permission denied" in line or "not readable" in line


def test_a_picture_of_a_kind_that_is_not_read_is_missed_and_a_note_is_not(tmp_path: Path) -> None:
    for name in ("a.png", "b.HEIC", "c.webp", "readme.txt"):
        (tmp_path / name).touch()
    listing = list_pictures(tmp_path, tmp_path)
    assert {problem.item: problem.pair for problem in listing.problems} == {
        "b.HEIC": "b",
        "c.webp": "c",
        "readme.txt": "",
    }
    assert all("convert it to PNG or TIFF" in problem.reason for problem in listing.problems if problem.pair)
