"""A table for a paper, a page or a spreadsheet: LaTeX with booktabs, Markdown, CSV.

Bold is what is green on the page: :data:`~sdd_bench.statistics.ranks.STANDS_OUT`. Ties are bold together. Figures of
papers stand below a line, are never bold, and are grey where they are of another implementation.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from sdd_bench.core.storage.tables import spreadsheet_safe
from sdd_bench.leaderboard.export.collect import columns_of
from sdd_bench.leaderboard.site.standings import Cell, Line, Protocol, Standing
from sdd_bench.leaderboard.tables.schema import METRICS, TRUTHS
from sdd_bench.statistics.gains import HIGHER_IS_BETTER
from sdd_bench.statistics.ranks import STANDS_OUT

_LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
}
_CAPTION = (
    f"Bold: {STANDS_OUT} (95\\% rank intervals for the whole column, paired over the same pictures). Rows below the "
    "line are as printed in papers; grey figures are of another implementation of the metric."
)


def latex(standings: Sequence[Standing], truths: Sequence[str] = TRUTHS, metrics: Sequence[str] = METRICS) -> str:
    """One ``table*`` per dataset, with ground truths as groups of columns and the protocol in the caption."""
    parts = ["% sdd-bench leaderboard export; needs \\usepackage{booktabs} and \\usepackage{xcolor}"]
    for item in standings:
        columns = columns_of(item, truths, metrics)
        if columns:
            parts.append(_latex_table(item, columns))
    return "\n\n".join(parts) + "\n"


def _latex_table(item: Standing, columns: Sequence[tuple[str, str]]) -> str:
    groups = [
        (truth, [metric for t, metric in columns if t == truth]) for truth in dict.fromkeys(t for t, _ in columns)
    ]
    heads, rules, start = [""], [], 2
    for truth, of_truth in groups:
        heads.append(rf"\multicolumn{{{len(of_truth)}}}{{c}}{{{truth}}}")
        rules.append(rf"\cmidrule(lr){{{start}-{start + len(of_truth) - 1}}}")
        start += len(of_truth)
    arrows = {metric: r"$\uparrow$" if HIGHER_IS_BETTER[metric] else r"$\downarrow$" for metric in METRICS}
    names = ["Method", *(f"{metric.upper()} {arrows[metric]}" for _, metric in columns)]
    body: list[str] = []
    kinds = [line.kind for line in item.lines]
    for line, before in zip(item.lines, ["", *kinds], strict=False):
        if line.kind == "paper" and before not in ("paper", ""):
            body.append(r"\midrule")
        cells = [_latex_cell(line.cells.get(column, Cell())) for column in columns]
        body.append(" & ".join([_escaped(_label(line, item)), *cells]) + r" \\")
    protocols = "; ".join(_described(protocol) for protocol in item.protocols) or "figures of papers alone"
    caption = rf"{_escaped(item.dataset)}: {_escaped(protocols)}. {_CAPTION}"
    return "\n".join(
        [
            r"\begin{table*}",
            rf"\caption{{{caption}}}",
            rf"\label{{tab:{item.dataset}}}",
            r"\centering",
            rf"\begin{{tabular}}{{l{'r' * len(columns)}}}",
            r"\toprule",
            " & ".join(heads) + r" \\",
            " ".join(rules),
            " & ".join(names) + r" \\",
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table*}",
        ]
    )


def _latex_cell(cell: Cell) -> str:
    text = cell.text.replace("inf", r"$\infty$") or "--"
    return rf"\textbf{{{text}}}" if cell.leads else rf"\textcolor{{gray}}{{{text}}}" if cell.note else text


def _escaped(text: str) -> str:
    return "".join(_LATEX.get(letter, letter) for letter in text)


def markdown(standings: Sequence[Standing], truths: Sequence[str] = TRUTHS, metrics: Sequence[str] = METRICS) -> str:
    """One table per dataset under a heading."""
    parts = []
    for item in standings:
        columns = columns_of(item, truths, metrics)
        if not columns:
            continue
        names = ["method", *(f"{truth} {metric.upper()} {_arrow(metric)}" for truth, metric in columns), "source"]
        lines = [f"## {item.dataset}", "", _markdown_row(names), "|---|" + "---:|" * len(columns) + "---|"]
        for line in item.lines:
            cells = [_markdown_cell(line.cells.get(column, Cell())) for column in columns]
            lines.append(_markdown_row([_pipes(_label(line, item)), *cells, _pipes(line.reference or line.kind)]))
        notes = [f"- {protocol.name}: {_described(protocol)}" for protocol in item.protocols]
        parts.append("\n".join([*lines, "", f"Bold: {STANDS_OUT} (95 % rank intervals).", *notes]))
    return "\n\n".join(parts) + "\n"


def _markdown_row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _markdown_cell(cell: Cell) -> str:
    if not cell.text:
        return "–"
    return f"**{cell.text}**" if cell.leads else f"({cell.text}: {_pipes(cell.note)})" if cell.note else cell.text


def _pipes(text: str) -> str:
    return text.replace("|", r"\|").replace("<", "&lt;").replace("*", r"\*")


def comma_separated(
    standings: Sequence[Standing], truths: Sequence[str] = TRUTHS, metrics: Sequence[str] = METRICS
) -> str:
    """One row per line of any table, with a column per ground truth and metric and its rank interval."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    wanted = [(truth, metric) for truth in TRUTHS for metric in METRICS if truth in truths and metric in metrics]
    figures = [name for truth, metric in wanted for name in (f"{truth}_{metric}", f"{truth}_{metric}_rank")]
    facts = ("dataset", "kind", "method", "trained_on", "input", "protocol", "reference", "metrics_note")
    writer.writerow([*facts, *figures, "drift_px"])
    for item in standings:
        for line in item.lines:
            row = [item.dataset, *(getattr(line, name) for name in facts[1:])]
            for column in wanted:
                cell = line.cells.get(column, Cell())
                row += [cell.text, str(cell.rank) if cell.rank is not None and cell.n_ranked > 1 else ""]
            writer.writerow([spreadsheet_safe(text) for text in [*row, line.drift.text]])
    return text.getvalue()


def _label(line: Line, item: Standing) -> str:
    """The method, with its protocol where there are several."""
    return f"{line.method} ({line.protocol})" if line.protocol and len(item.protocols) > 1 else line.method


def _arrow(metric: str) -> str:
    return "↑" if HIGHER_IS_BETTER[metric] else "↓"


def _described(protocol: Protocol) -> str:
    """A protocol in words: the longest of its signatures, hashes cut to eight digits."""
    longest = max(protocol.signatures.values(), key=len)
    return " ".join(part[:60] if "=" not in part else _short(part) for part in longest.split())


def _short(part: str) -> str:
    key, _, value = part.partition("=")
    digits = value.strip("[]")
    return f"{key}={digits[:8]}" if len(digits) >= 32 and set(digits) <= set("0123456789abcdef") else part


FORMATS = {"latex": latex, "markdown": markdown, "csv": comma_separated}
