"""The command table."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from sdd_bench.cli.main import _COMMANDS, main


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\nfrom sdd_bench.cli.main import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit as stop:\n    assert stop.code == 0\n"
        "heavy = {'torch', 'numpy', 'h5py', 'cv2', 'pandas', 'matplotlib', 'scipy'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert all(name in done.stdout for name in _COMMANDS)


@pytest.mark.parametrize("name", list(_COMMANDS))
def test_every_command_answers_help_without_heavy_imports(name: str) -> None:
    result = CliRunner().invoke(main, [name, "--help"])
    assert result.exit_code == 0, result.output
    assert "Usage:" in result.output


def test_an_unknown_command_is_bad_usage() -> None:
    result = CliRunner().invoke(main, ["deblur"])
    assert result.exit_code == 2
    assert "No such command 'deblur'" in result.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["analyse"], "No such command 'analyse'. Did you mean analyze?"),
        (["leaderboard", "rendr"], "No such command 'rendr'. Did you mean render?"),
        (["demo", "--shrt"], "No such option '--shrt'. Did you mean '--short'?"),
        (["evaluate", "."], "Missing option '--predictions'."),
        (["info", "sdd-bench-nowhere"], "sdd-bench-nowhere: does not exist; expected"),
        (["info", "."], ".: expected a prepared set"),
    ],
)
def test_every_error_is_one_line_in_one_form(
    arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"error: {message}")
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize("name", ["leaderboard", "weights", "cache"])
def test_lists_of_commands_are_not_cut(name: str) -> None:
    shown = CliRunner().invoke(main, [name, "--help"], terminal_width=80).stdout
    assert "..." not in shown.partition("Commands:")[2]
    assert all(len(line) <= 80 for line in shown.splitlines())


@pytest.mark.parametrize("command", [["evaluate", "--help"], ["weights", "list", "--json"]])
def test_a_reader_that_leaves_is_no_error(command: list[str]) -> None:
    line = f"{sys.executable} -m sdd_bench {' '.join(command)} | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=60, check=True)
    assert (done.stdout.strip(), done.stderr) == ("0", "")


@pytest.mark.parametrize("command", [["--help"], ["--version"], ["evaluate", "--help"], ["weights", "list"]])
def test_output_that_cannot_be_written_is_one_line(command: list[str]) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no device that is always full")
    with open("/dev/full", "w") as full:
        program = [sys.executable, "-m", "sdd_bench", *command]
        done = subprocess.run(program, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert len(done.stderr.splitlines()) == 1, done.stderr


def test_a_current_folder_that_is_gone_is_one_line(tmp_path: Path) -> None:
    line = f"mkdir {tmp_path}/gone; cd {tmp_path}/gone; rmdir {tmp_path}/gone; {sys.executable} -m sdd_bench info x"
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        ["bash", "-c", line], capture_output=True, text=True, timeout=60, check=False, env=environment
    )
    assert (done.returncode, done.stderr) == (2, "error: the current folder is gone; change into another.\n")


def test_a_refusal_of_the_system_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        raise PermissionError(13, "Permission denied", "captures/a.png")

    monkeypatch.setattr("sdd_bench.inspect.describe.describe", refuse)
    result = CliRunner().invoke(main, ["info", "/"])
    assert (result.exit_code, result.output) == (2, "error: captures/a.png: Permission denied.\n")


def test_an_output_that_cannot_show_a_letter_gets_its_number(tmp_path: Path) -> None:
    (tmp_path / "가").mkdir()
    environment = os.environ | {"PYTHONIOENCODING": "latin-1"}
    command = [sys.executable, "-m", "sdd_bench", "info", str(tmp_path / "가")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "\\uac00" in done.stderr
    assert "Traceback" not in done.stderr


def test_threads_wait_asleep_unless_the_user_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    given["OMP_DISPLAY_ENV"] = "TRUE"  # torch's OpenMP library tells what it understood when it was loaded
    command = [sys.executable, "-m", "sdd_bench", "models"]
    said = subprocess.run(command, env=given, capture_output=True, text=True, check=True).stderr
    if "OMP_WAIT_POLICY" not in said:
        pytest.skip("the OpenMP library of this torch does not show its options")
    assert "OMP_WAIT_POLICY = 'PASSIVE'" in said
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    assert CliRunner().invoke(main, ["completion", "bash"]).exit_code == 0
    assert os.environ["OMP_WAIT_POLICY"] == "ACTIVE"


def test_numpy_asks_for_no_huge_pages_unless_the_user_says_otherwise() -> None:
    program = (
        "import os, sys; from sdd_bench.cli.main import main; import sdd_bench.cli.evaluate; "
        "assert 'numpy' not in sys.modules; main(['completion', 'bash'], standalone_mode=False); "
        "print(os.environ['NUMPY_MADVISE_HUGEPAGE'])"
    )
    for given, expected in ({}, "0"), ({"NUMPY_MADVISE_HUGEPAGE": "1"}, "1"):
        environment = {name: value for name, value in os.environ.items() if name != "NUMPY_MADVISE_HUGEPAGE"} | given
        command = [sys.executable, "-c", program]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        assert done.stdout.split()[-1] == expected
