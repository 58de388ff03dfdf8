"""Meng et al.'s pruned ResNet-18 against its dense 4-bit baseline on ISAAC, under every policy.

    python reports/meng.py        writes meng.md, meng.csv, meng.svg and meng.html beside this file
"""

from __future__ import annotations

import csv
from pathlib import Path

from matplotlib.figure import Figure

import xbarch
from xbarch.report import units
from xbarch.report.page import page
from xbarch.report.result import Result

HERE = Path(__file__).resolve().parent
POLICIES = ["crossbars:2", "crossbars:4", "crossbars:8", "crossbars:16", "chip", "fit"]
# Meng et al., TCAS-II 2021, abstract: 7x energy. 65.4x compression over 32 bits is 8.175x fewer weights at 4 bits.
PUBLISHED_ENERGY, PUBLISHED_STRUCTURE = 7.0, 65.4 / 8


def rows() -> tuple[list[dict[str, object]], list[Result]]:
    """One row a policy; the results under `fit`, dense first."""
    table, kept = [], []
    for policy in POLICIES:
        dense, pruned = (xbarch.simulate("isaac_like", w, policy=policy)
                         for w in ("resnet18_dense", "resnet18_pruned"))
        weights = [sum(la.kept_weights for la in xbarch.load(w).compute_layers)
                   for w in ("resnet18_dense", "resnet18_pruned")]
        energy = dense["energy.scopes_aj.compute"] / pruned["energy.scopes_aj.compute"]
        structure = weights[0] / weights[1]
        table.append({
            "policy": policy, "dense crossbars": dense["mapping.crossbars"],
            "pruned crossbars": pruned["mapping.crossbars"],
            "dense tiles": dense["mapping.tiles"], "pruned tiles": pruned["mapping.tiles"],
            "dense images/s": dense["throughput.images_per_second"],
            "pruned images/s": pruned["throughput.images_per_second"],
            "speed gain": pruned["throughput.images_per_second"] / dense["throughput.images_per_second"],
            "bound gain": dense["mapping.window_weighted_ps"] / dense["mapping.budget"]
                          / (pruned["mapping.window_weighted_ps"] / pruned["mapping.budget"]),
            "one-copy crossbar gain": dense["mapping.one_copy_crossbars"] / pruned["mapping.one_copy_crossbars"],
            "window-weighted gain": dense["mapping.window_weighted_ps"] / pruned["mapping.window_weighted_ps"],
            "dense energy": units.energy(dense["energy.scopes_aj.compute"]),
            "pruned energy": units.energy(pruned["energy.scopes_aj.compute"]),
            "energy gain (compute)": energy,
            "energy gain (chip)": dense["energy.scopes_aj.chip"] / pruned["energy.scopes_aj.chip"],
            "energy gain (whole)": dense["energy.scopes_aj.whole"] / pruned["energy.scopes_aj.whole"],
            "weight gain": structure, "energy gain / weight gain": energy / structure,
        })
        if policy == "fit":
            kept = [dense, pruned]
    return table, kept


def breakdown(dense: Result, pruned: Result) -> list[tuple[str, int, int]]:
    """(component, dense aJ, pruned aJ) of the compute scope, largest first."""
    a, b = dense["energy.by_component_aj"], pruned["energy.by_component_aj"]
    outside = {"router", *dense["energy.static_aj"]}
    return sorted(((c, a.get(c, 0), b.get(c, 0)) for c in {**a, **b} if c not in outside), key=lambda r: -r[1])


def by_layer(dense: Result, pruned: Result) -> list[tuple[str, int, int]]:
    a, b = dense["energy.by_layer_aj"], pruned["energy.by_layer_aj"]
    return sorted(((la, a[la], b[la]) for la in a), key=lambda r: -r[1])


def markdown(table: list[dict[str, object]], dense: Result, pruned: Result) -> str:
    heads = list(table[0])
    lines = ["# Meng et al.'s pruning of ResNet-18, on ISAAC", "",
             f"Both networks were trained here on {dense['workload.trained_on']}, 4-bit weights and activations; test "
             f"accuracy {dense['workload.accuracy.baseline']:.2%} dense, {pruned['workload.accuracy.pruning']:.2%} "
             "pruned (359 images). Eight images in flight. Written by `reports/meng.py`; every number is from its runs.",
             "", "| | " + " | ".join(str(r["policy"]) for r in table) + " |", "|---" * (len(table) + 1) + "|"]
    for head in heads[1:]:
        cells = [f"{r[head]:,.3f}" if isinstance(r[head], float) and r[head] < 100 else
                 f"{r[head]:,.0f}" if isinstance(r[head], (int, float)) else str(r[head]) for r in table]
        lines.append(f"| {head} | " + " | ".join(cells) + " |")
    fit = table[-1]
    ratio = PUBLISHED_ENERGY / PUBLISHED_STRUCTURE
    lines += ["", "## Beside the publication", "",
              f"Meng et al. (TCAS-II 2021, abstract) report {PUBLISHED_ENERGY:g}× energy; their 65.4× compression over "
              f"32-bit weights is {PUBLISHED_STRUCTURE:.3g}× fewer 4-bit weights, so energy gain / structural gain is "
              f"{ratio:.2f}. Here, under `fit` and in the compute scope: {fit['energy gain (compute)']:.2f}× energy for "
              f"{fit['weight gain']:.2f}× fewer weights, {fit['energy gain / weight gain']:.2f}.", "",
              "Why they differ, in µJ an image:", "", "| component | dense | pruned | gain |", "|---|---|---|---|"]
    for name, a, b in breakdown(dense, pruned):
        lines.append(f"| {name} | {a / 1e12:,.3f} | {b / 1e12:,.3f} | {f'{a / b:.2f}×' if b and a else '–'} |")
    lines += ["", "| layer | dense | pruned | gain |", "|---|---|---|---|"]
    for name, a, b in by_layer(dense, pruned):
        lines.append(f"| {name} | {a / 1e12:,.3f} | {b / 1e12:,.3f} | {f'{a / b:.2f}×' if b else '–'} |")
    return "\n".join([*lines, ""])


def picture(table: list[dict[str, object]]) -> Figure:
    figure = Figure(figsize=(7.2, 3.4), layout="constrained")
    axes = figure.subplots()
    names = [str(r["policy"]) for r in table]
    for offset, key in enumerate(("speed gain", "energy gain (compute)", "window-weighted gain")):
        bars = axes.bar([i + 0.27 * (offset - 1) for i in range(len(names))], [r[key] for r in table], 0.25, label=key)
        axes.bar_label(bars, fmt="%.1f", fontsize=7)
    axes.axhline(PUBLISHED_ENERGY, color="grey", linewidth=0.8, linestyle="--")
    axes.text(len(names) - 0.5, PUBLISHED_ENERGY, "published energy 7×", fontsize=7, ha="right", va="bottom")
    axes.set_xticks(range(len(names)), names)
    axes.set_ylabel("gain of pruned over dense")
    axes.legend(fontsize=7, ncols=3, loc="upper center")
    axes.margins(y=0.2)
    return figure


def main() -> None:
    table, (dense, pruned) = rows()
    (HERE / "meng.md").write_text(markdown(table, dense, pruned))
    with (HERE / "meng.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(table[0]))
        writer.writeheader()
        writer.writerows(table)
    picture(table).savefig(HERE / "meng.svg", metadata={"Date": None})
    (HERE / "meng.html").write_text(page([dense, pruned], "ResNet-18, dense and pruned by Meng et al., on ISAAC (fit)"))


if __name__ == "__main__":
    main()
