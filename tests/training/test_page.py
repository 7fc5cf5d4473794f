"""The page of a training: complete in itself, and of what the run folder holds."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from in_browser import visited

from sdd_bench.core.types import Progress
from sdd_bench.training.config import TrainConfig
from sdd_bench.training.page import REPORT_HTML, headline, write_training_page
from sdd_bench.training.report import TrainReport
from sdd_bench.training.run import train

MakeConfig = Callable[..., TrainConfig]


def test_a_run_has_a_page_with_curves_and_pictures_and_nothing_from_elsewhere(
    prepared: Path, tmp_path: Path, tiny: MakeConfig
) -> None:
    report = train(prepared, tmp_path / "<b>run", tiny(log_every=1))
    assert report.page == tmp_path / "<b>run" / REPORT_HTML
    text = report.page.read_text(encoding="utf-8")
    assert headline(report) in text
    for label in ("loss: from", "PSNR of held-out patches (dB): from", "gain over the blurry input (dB): from"):
        assert f'aria-label="{label}' in text
    assert f"blurry input {report.blurry_psnr:.2f}" in text
    assert len(re.findall(r'src="data:image/webp;base64,', text)) >= 2
    assert "from left to right: blurry, deblurred, reblurred, target" in text
    assert not re.search(r"""(?:src|href)=["'](?!data:|#)|https?://(?!www\.w3\.org)""", text)
    assert "<b>run" not in text
    assert len(text) < 2e6
    assert visited(report.page) == {"cut": [], "too_wide": False, "nameless": [], "complaints": []}
    again = write_training_page(report)
    assert again.read_text(encoding="utf-8") == text


def test_a_run_of_fewer_steps_than_are_logged_has_a_curve_of_its_loss(
    prepared: Path, tmp_path: Path, tiny: MakeConfig
) -> None:
    report = train(prepared, tmp_path / "run", tiny(steps=3, log_every=100))
    assert report.page is not None
    assert report.to_frame()["loss/total"].dropna().index.tolist() == [1, 3]
    assert 'aria-label="loss: from' in report.page.read_text()


def test_the_page_of_a_run_that_was_stopped_says_so(prepared: Path, tmp_path: Path, tiny: MakeConfig) -> None:
    import os
    import signal

    def on_progress(progress: Progress) -> None:
        if progress.item.startswith("epoch") and progress.done == 3:
            os.kill(os.getpid(), signal.SIGTERM)

    report = train(prepared, tmp_path / "run", tiny(log_every=1), on_progress=on_progress)
    assert report.page is not None
    assert f"{report.step} of {report.n_steps}, stopped; the same command goes on" in report.page.read_text()


def test_a_run_without_curves_has_a_page_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "options.json").write_text('{"config": {"model": "<script>"}}')
    page = write_training_page(TrainReport(tmp_path, False, 0, 9, None, None, None))
    text = page.read_text()
    assert "No curve was written" in text
    assert "&lt;script&gt;" in text
    assert "No patch was held out" in text


@pytest.mark.parametrize(("best", "said"), [(27.0, "-1.00 dB over the blurry input (28.00 dB). The network is no")])
def test_a_network_that_is_worse_than_its_input_is_called_that(best: float, said: str) -> None:
    assert said in headline(TrainReport(Path("run"), True, 20, 20, 10, best, None, 28.0))
