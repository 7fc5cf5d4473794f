"""``sdd-bench prepare``: captures to checked pairs, patches and shards."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from sdd_bench.cli.common import (
    analysis_folder,
    echo_json,
    echo_table,
    finish,
    handle_errors,
    jobs_options,
    json_option,
    out_argument,
    progress_bar,
)
from sdd_bench.cli.inputs import FILE, FOLDER, Existing, config_option
from sdd_bench.cli.pairing import layout_option, pairing_options
from sdd_bench.core.types import Split
from sdd_bench.core.words import counted

if TYPE_CHECKING:
    from sdd_bench.captures.pairing import Pairing
    from sdd_bench.captures.splits import SplitRule
    from sdd_bench.preparation.drop import DropRules
    from sdd_bench.preparation.plan import PreparePlan

_RULES = (
    "measured",
    "max_misalignment_px",
    "max_residual_px",
    "require_trusted",
    "min_likeness",
    "max_exposure_ev",
    "exclude",
)


@click.command()
@click.argument("source", metavar="SRC", type=Existing("a folder of captures, or a CSV of pairs"))
@out_argument()
@click.option(
    "--preset",
    type=click.Choice(["sdd", "dpdd"]),
    default="sdd",
    show_default=True,
    help="Values of options you leave out. sdd: --resize 0.5 --patch 512 --overlap 0.7 (a patch every 153 px) --drop "
    "0.3. dpdd, as DPDNet: --resize 1680x1120 --patch 512 --overlap 0.6 (every 204 px) --drop 0.3, of val and test "
    "--overlap-eval 0.01 --drop-eval 0.",
)
@layout_option("Layout of SRC; auto finds it by the names of folders")
@click.option("--pairs", "pairs_csv", type=FILE, help="CSV of pairs, paths relative to SRC.")
@click.option("--lists", type=FOLDER, help="Folder of DPDD's name lists (*_src.npy, *_trg.npy).")
@pairing_options
@click.option("--split-by", type=click.Choice(["scene"]), help="Split the pairs at random; a scene stays in one split.")
@click.option("--split", "shares", metavar="TRAIN,VAL,TEST", help="Shares of the pairs.  [default: 0.8,0.1,0.1]")
@click.option("--seed", type=int, help="Seed of the random split.  [default: 0]")
@click.option("--split-file", type=FILE, help="CSV with the columns split and scene, blurry or name.")
@click.option("--max-misalignment-px", type=float, help="Drop pairs that are misaligned by more (RMS, full size).")
@click.option(
    "--max-residual-px", type=float, help="Drop pairs of which parts move by more besides (RMS): leaves, layers."
)
@click.option("--require-trusted", is_flag=True, help="Drop pairs whose measured misalignment is not to be trusted.")
@click.option(
    "--min-likeness", type=float, help="Drop pairs whose pictures correlate less, 0 to 1: another scene or framing."
)
@click.option("--max-exposure-ev", type=float, help="Drop pairs whose light differs by more stops.")
@click.option("--exclude", type=FILE, help="List of pairs to drop: name[,why] in each line.")
@click.option(
    "--measured",
    type=FILE,
    help="misalignment.csv of analyze.  [default: where a rule needs it, it is made in analysis-NAME OF SRC]",
)
@click.option(
    "--strict",
    is_flag=True,
    help="A scene in two splits, a picture that occurs twice, or a link out of the set is an error.",
)
@click.option("--resize", help="Resizing: none, a factor, or WIDTHxHEIGHT.")
@click.option("--patch", type=int, help="Side of a patch in pixels.")
@click.option("--overlap", type=float, help="Overlap of neighbouring patches, 0 to 1.")
@click.option("--drop", type=float, help="Share of patches to drop per pair, the least sharp first.")
@click.option("--overlap-eval", type=float, help="Overlap of the patches of val and test.  [default: as in train]")
@click.option("--drop-eval", type=float, help="Share of these patches to drop per pair.  [default: as in train]")
@click.option("--train", type=click.Choice(["full", "patches"]), help="train and val as full pictures or as patches.")
@click.option("--test", type=click.Choice(["full", "patches"]), help="Test split as full pictures or as patches.")
@click.option("--resize-test/--no-resize-test", default=None, help="Resize the test split's full pictures, too.")
@click.option("--bit-depth", type=click.Choice(["8", "16"]), help="Stored bit depth of a set with mixed bit depths.")
@click.option("--pairs-per-shard", type=int, help="Consecutive pairs in one shard.")
@click.option("--compression", type=click.Choice(["blosc2", "gzip", "lzf", "none"]), help="Filter of the shards.")
@click.option("--max-pixels", type=int, help="Refuse larger pictures.")
@click.option(
    "--white-balance",
    type=click.Choice(["auto", "camera", "daylight"]),
    help="White balance of RAW files; auto: the camera's if plausible, else daylight.",
)
@click.option(
    "--register",
    type=FILE,
    help="misalignment.csv of analyze, by which sharp pictures are resampled onto the blurry grid.",
)
@click.option(
    "--match",
    type=FILE,
    help="misalignment.csv of analyze, by which sharp pictures are brought to the light of the blurry ones.",
)
@click.option("--limit", type=click.IntRange(min=1), help="Number of pairs to use, from the first on.")
@click.option("--dry-run", is_flag=True, help="Print the pairing and the plan; write nothing.")
@jobs_options
@config_option
@json_option
@handle_errors
def command(
    source: Path,
    out: Path,
    preset: str,
    layout: str,
    pairs_csv: Path | None,
    lists: Path | None,
    pairing: Pairing | None,
    bit_depth: str | None,
    white_balance: Literal["auto", "camera", "daylight"] | None,
    register: Path | None,
    match: Path | None,
    split_by: str | None,
    shares: str | None,
    seed: int | None,
    split_file: Path | None,
    strict: bool,
    dry_run: bool,
    jobs: int,
    dask: str | None,
    as_json: bool,
    **values: Any,
) -> None:
    """Make the prepared dataset OUT from the captures in SRC: a folder in a known layout, two folders of any name
    (--blurry-dir, --sharp-dir), Parquet, or a CSV of pairs.

    Run the same command again to continue after an interruption.
    """
    import dataclasses

    from sdd_bench.core.executors import reuse_memory
    from sdd_bench.images.raw import RawOptions
    from sdd_bench.preparation.options import PRESETS
    from sdd_bench.preparation.plan import plan
    from sdd_bench.preparation.run import carry_out

    reuse_memory()
    splits = _split_rule(split_by, shares, seed, split_file)
    where: dict[str, Any] = {"layout": layout, "pairs_csv": pairs_csv, "lists": lists, "pairing": pairing}
    given_rules = {name: values.pop(name) for name in _RULES}
    rules = _rules(given_rules, source, jobs=jobs, dask=dask, dry_run=dry_run, **where)
    given = {key: value for key, value in values.items() if value is not None}
    if bit_depth is not None:
        given["bit_depth"] = int(bit_depth)
    if white_balance is not None:
        given["raw"] = RawOptions(white_balance=white_balance)
    if register is not None:
        from sdd_bench.preparation.align import registration_table

        given["register"] = registration_table(register)
    if match is not None:
        from sdd_bench.preparation.match import light_table

        given["match"] = light_table(match)
    options = dataclasses.replace(PRESETS[preset], splits=splits, rules=rules, **given)
    planned = plan(source, options, strict=strict, **where)
    if dry_run:
        _echo_plan(planned, as_json)
        finish([*planned.problems, *planned.foreseen])
        return
    _echo_notes(planned, err=True)
    with progress_bar("prepare") as on_progress:
        report = carry_out(planned, out, jobs=jobs, dask=dask, on_progress=on_progress)
    if as_json:
        echo_json({"out": str(out), **dataclasses.asdict(report)})
    else:
        for note in report.notes:
            click.echo(f"note: {note}", err=True)
        done = "was finished already, nothing to do (validate checks every byte)" if report.was_finished else "finished"
        dropped = f", {len(report.dropped)} dropped (pairs.csv says why)" if report.dropped else ""
        click.echo(f"{out}: {done}: {counted(report.n_pairs, 'pair')}, {counted(report.n_patches, 'patch')}{dropped}")
    finish(report.problems)


def _split_rule(
    split_by: str | None, shares: str | None, seed: int | None, split_file: Path | None
) -> SplitRule | None:
    from sdd_bench.captures.splits import SplitRule

    if split_file is not None:
        if (split_by, shares, seed) != (None, None, None):
            raise click.UsageError("--split-file says every split; leave out --split-by, --split and --seed.")
        return SplitRule(file=split_file.absolute())
    if split_by is None:
        if (shares, seed) != (None, None):
            raise click.UsageError("--split and --seed go with --split-by scene.")
        return None
    try:
        train, val, test = map(float, (shares or "0.8,0.1,0.1").split(","))
    except ValueError:
        raise click.UsageError(f"--split {shares}: expected three shares, TRAIN,VAL,TEST.") from None
    return SplitRule((train, val, test), seed or 0)


def _rules(values: dict[str, Any], source: Path, **how: Any) -> DropRules | None:
    """The rules that were given; what they go by is measured first, if no table is given."""
    from sdd_bench.preparation.drop import DropRules

    table = values.pop("measured")
    limits = {name: value for name, value in values.items() if name != "exclude" and value not in (None, False)}
    if limits and table is None:
        table = _measure(source, **how)
    if not limits and table is None and values["exclude"] is None:
        return None
    return DropRules(**values | {"table": table and table.absolute()})


def _measure(source: Path, *, jobs: int, dask: str | None, dry_run: bool, **where: Any) -> Path:
    """The table of ``analyze``, in the folder that it has of ``source``; in a copy that goes again for a dry run."""
    from sdd_bench.analysis.run import analyze
    from sdd_bench.prepared.open import open_dataset

    folder = analysis_folder(source, **where)
    if dry_run:
        if dask is not None:
            raise click.UsageError(
                "--dry-run writes nothing that a cluster could share. Measure first, by analyze --dask, and say "
                f"--measured {folder / 'misalignment.csv'}; or leave out --dask."
            )
        folder = _copy_of(folder)
        click.echo("measuring the pairs by analyze; a dry run keeps nothing: analyze first if it is long", err=True)
    else:
        click.echo(f"measuring the pairs by analyze, into {folder}; what is measured already is kept", err=True)
    with progress_bar("analyze") as on_progress:
        pairs = open_dataset(source, split=None, **where)
        report = analyze(pairs, folder, jobs=jobs, dask=dask, page=not dry_run, on_progress=on_progress)
    return report.out / "misalignment.csv"


def _copy_of(folder: Path) -> Path:
    """A folder of the same content, if any, that is removed when the command ends."""
    import shutil
    from tempfile import TemporaryDirectory

    scratch = click.get_current_context().with_resource(TemporaryDirectory(prefix="sdd-bench-"))
    copy = Path(scratch) / folder.name
    if folder.is_dir():
        shutil.copytree(folder, copy, ignore=shutil.ignore_patterns(".lock", "*.partial"))
    return copy


def _echo_notes(planned: PreparePlan, *, err: bool) -> None:
    for note in (*planned.source.remarks, *planned.kept.notes):
        click.echo(f"note: {note}", err=err)
    for warning in planned.warnings:
        click.echo(f"warning: {warning.item}: {warning.reason}", err=err)


def _cut_rows(planned: PreparePlan) -> list[tuple[str, str]]:
    """What becomes of the first pair of each split that is cut: its size, and how many patches at what distance."""
    from sdd_bench.core.errors import ImageError
    from sdd_bench.images.photograph import read_header
    from sdd_bench.images.resize import parse_resize
    from sdd_bench.preparation.patches import stride_of, windows

    options, rows = planned.options, []
    first = {unit.split: unit.pairs[0] for unit in reversed(planned.units) if unit.as_patches and unit.pairs}
    for split, pair in first.items():
        cut = options.cut(split)
        told = f"overlap {cut.overlap:g}, drop {cut.drop:g}"
        try:
            header = read_header(pair.blurry_path, max_pixels=options.max_pixels)
            width, height = parse_resize(options.resize).size(header.width, header.height)
            n = len(windows(height, width, patch=options.patch, overlap=cut.overlap))
        except ImageError:  # a pair that will fail is listed apart
            rows.append((f"patches of {split}", told))
            continue
        size = f"{header.width}x{header.height} to {width}x{height} (resize {options.resize})"
        every = f"{options.patch} px every {stride_of(options.patch, cut.overlap)} px"
        kept = f"{n - int(cut.drop * n)} of {n} kept a pair"
        rows.append((f"patches of {split}", f"{size}: {every}, {kept} ({told})"))
    return rows


def _echo_plan(planned: PreparePlan, as_json: bool) -> None:
    import dataclasses

    from sdd_bench.captures.listing import below

    root, pairs = planned.source.root, planned.kept.pairs
    cuts = {unit.split: planned.options.cut(unit.split) for unit in planned.units if unit.as_patches}
    rows = [(pair.pair_id, below(pair.blurry_path, root), below(pair.sharp_path, root)) for pair in pairs]
    summary = {
        "layout": planned.source.layout,
        "pairs": len(pairs),
        "pairs dropped by rules": len(planned.kept.dropped),
        "files left out": len(planned.problems),
        "pairs that will fail": len(planned.foreseen),
        "bit depth": planned.bit_depth,
        "patches expected": planned.n_patches,
        "full test pictures expected": planned.n_frames,
        "units of work": len(planned.units),
        "to read, MB": round(planned.n_bytes / 1e6, 1),
        "to write before compression, MB": round(planned.n_bytes_raw / 1e6, 1),
    }
    if as_json:
        echo_json(
            {
                **{key.replace(", MB", "_mb").replace(" ", "_"): value for key, value in summary.items()},
                "cuts": {split.value: dataclasses.asdict(cut) for split, cut in cuts.items()},
                "notes": [*planned.source.notes, *planned.kept.notes],
                "warnings": [dataclasses.asdict(warning) for warning in planned.warnings],
                "dropped": [dataclasses.asdict(problem) for problem in planned.kept.dropped],
                "pairs_per_split": {split: sum(pair.split == split for pair in pairs) for split in Split},
                "problems": [dataclasses.asdict(problem) for problem in (*planned.problems, *planned.foreseen)],
                "paired": [dict(zip(("pair_id", "blurry", "sharp"), row, strict=True)) for row in rows],
            }
        )
        return
    echo_table(counted(len(rows), "pair"), ("pair", "blurry", "sharp"), rows)
    counts = {split: sum(pair.split == split for pair in pairs) for split in Split}
    summary["pairs of train, val, test"] = ", ".join(map(str, counts.values()))
    echo_table("plan", ("what", "value"), [*summary.items(), *_cut_rows(planned)])
    if planned.kept.dropped:
        dropped = [(problem.item, problem.reason) for problem in planned.kept.dropped]
        echo_table(f"dropped: {counted(len(dropped), 'pair')}", ("pair", "why"), dropped)
    _echo_notes(planned, err=False)
