"""Meng et al.'s pruned ResNet-18 against its dense 4-bit baseline on ISAAC, under every policy.

    python reports/meng.py        writes meng.md, meng.csv and meng.svg next to this file
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from matplotlib.figure import Figure

import xbarch
from xbarch.result.result import Result
from xbarch.support.sheet import sheet

HERE = Path(__file__).resolve().parent
POLICIES = ["crossbars:2", "crossbars:4", "crossbars:8", "crossbars:16", "chip", "fit"]
# Meng et al., TCAS-II 2021, abstract: 7x energy. 65.4x compression over 32 bits is 8.175x fewer weights at 4 bits.
PUBLISHED_ENERGY, PUBLISHED_STRUCTURE = 7.0, 65.4 / 8
DENSE, PRUNED = "resnet18_dense", "resnet18_pruned"
VARIANTS = [  # title, rows of a crossbar, options of the data path
    ("stacked (default)", 128, {}),
    ("strips of a crossbar read together (diagonal)", 128, {"diagonal": True}),
    ("stacks share crossbars (side_by_side)", 128, {"side_by_side": True}),
    ("144 rows: one group per crossbar", 144, {}),
]


@cache
def simulated(workload: str, policy: str, rows: int = 128, options: tuple[tuple[str, bool], ...] = ()) -> Result:
    overrides = [] if rows == 128 else [f"crossbar.rows={rows}"]
    chips = 2 if policy == "crossbars:16" else 1  # 16 times the dense network's crossbars are more than one chip has
    return xbarch.simulate("isaac_like", workload, policy=policy, chips=chips, options=dict(options),
                           overrides=overrides)


def weight_gain() -> float:
    dense, pruned = (sum(la.kept_weights for la in xbarch.load(w).compute_layers) for w in (DENSE, PRUNED))
    return dense / pruned


def gains(dense: Result, pruned: Result) -> dict[str, float]:
    """Return gains: dense over pruned if less is better, pruned over dense if more is better."""
    return {
        "speed gain": pruned["throughput.images_per_second"] / dense["throughput.images_per_second"],
        "bound gain": dense["mapping.interval_bound_ps"] / pruned["mapping.interval_bound_ps"],
        "one-copy crossbar gain": dense["mapping.one_copy_crossbars"] / pruned["mapping.one_copy_crossbars"],
        "window-weighted gain": dense["mapping.window_weighted_ps"] / pruned["mapping.window_weighted_ps"],
        "conversion gain": dense["counts.conversions"] / pruned["counts.conversions"],
        **{f"energy gain ({scope})": dense["energy.scopes_aj"][scope] / pruned["energy.scopes_aj"][scope]
           for scope in ("compute", "chip", "whole")},
    }


def policy_rows() -> list[dict[str, object]]:
    rows = []
    for policy in POLICIES:
        dense, pruned = simulated(DENSE, policy), simulated(PRUNED, policy)
        row: dict[str, object] = {"policy": policy}
        for what, key in (("crossbars", "mapping.crossbars"), ("tiles", "mapping.tiles"),
                          ("images/s", "throughput.images_per_second")):
            row |= {f"dense {what}": dense[key], f"pruned {what}": pruned[key]}
        found = gains(dense, pruned)
        rows.append({**row, **found, "energy gain (compute) / weight gain":
                     found["energy gain (compute)"] / weight_gain()})
    return rows


def table(rows: list[dict[str, object]], corner: str) -> list[str]:
    """Return a Markdown table with one column per row of `rows`."""
    lines = ["| | " + " | ".join(str(r[corner]) for r in rows) + " |", "|---" * (len(rows) + 1) + "|"]
    for head in rows[0]:
        if head != corner:
            lines.append(f"| {head} | " + " | ".join(_number(r[head]) for r in rows) + " |")
    return lines


def _number(value: object) -> str:
    return f"{value:,.3f}" if isinstance(value, float) and value < 100 else f"{value:,.0f}"


def differences(key: str, dense: Result, pruned: Result, without: set[str]) -> list[str]:
    a, b = dense[key], pruned[key]
    lines = ["| µJ per image | dense | pruned | gain |", "|---|---|---|---|"]
    for name in sorted({**a, **b}, key=lambda n: -a.get(n, 0)):
        if name not in without:
            x, y = a.get(name, 0), b.get(name, 0)
            lines.append(f"| {name} | {x / 1e12:,.3f} | {y / 1e12:,.3f} | {f'{x / y:.2f}×' if x and y else '–'} |")
    return lines


def markdown(rows: list[dict[str, object]]) -> str:
    dense, pruned = simulated(DENSE, "fit"), simulated(PRUNED, "fit")
    fit, weights = rows[-1], weight_gain()
    variants = []
    for title, height, options in VARIANTS:
        pairs = {p: (simulated(DENSE, p, height), simulated(PRUNED, p, height, tuple(options.items())))
                 for p in ("fit", "crossbars:2")}
        found = gains(*pairs["fit"])
        variants.append({"variant": title, **{k: found[k] for k in (
            "one-copy crossbar gain", "window-weighted gain", "conversion gain", "energy gain (compute)")},
            "speed gain, fit": found["speed gain"],
            "speed gain, crossbars:2": gains(*pairs["crossbars:2"])["speed gain"],
            "energy gain / weight gain": found["energy gain (compute)"] / weights})
    return "\n".join([
        "# Meng et al.'s pruning of ResNet-18, on ISAAC", "",
        f"Both networks were trained here on {dense['workload.trained_on']}, with 4-bit weights and activations: test "
        f"accuracy {dense['workload.accuracy.baseline']:.2%} dense, {pruned['workload.accuracy.pruning']:.2%} pruned "
        "(359 images). Every run has eight images. Written by `reports/meng.py`; every number comes from its runs.", "",
        *table(rows, "policy"), "",
        "Bound gain is the ratio of the un-rounded pipeline intervals Σ crossbars · output pixels · time / budget "
        "(under "
        "`fit` each network has its own budget). Window-weighted gain is the ratio of Σ crossbars · output pixels · "
        "time. "
        "Above about twice the dense network's crossbars, the mesh, the activation and the line buffers limit the "
        "speed, "
        "not the crossbars, and more copies change little; `crossbars:16` takes two chips and the link between them.",
        "",
        "## Comparison with the publication", "",
        f"Meng et al. (TCAS-II 2021, abstract) report {PUBLISHED_ENERGY:g}× energy; their 65.4× compression over "
        f"32-bit weights is {PUBLISHED_STRUCTURE:.3g}× fewer 4-bit weights: energy gain / structural gain "
        f"{PUBLISHED_ENERGY / PUBLISHED_STRUCTURE:.2f}. Here, under `fit` and in the compute scope, "
        f"{fit['energy gain (compute)']:.2f}× energy for {weights:.2f}× fewer weights: "
        f"{fit['energy gain (compute) / weight gain']:.2f}. Four things explain the difference:", "",
        "- A group of 16 × 3 × 3 weights is 144 rows tall. On 128-row crossbars it is split, and its columns and dummy "
        "columns are converted twice; crossbars of 144 rows hold it in one piece (last column below).",
        "- Each part also converts the dummy weight's digit columns: two columns in addition to the 8 to 60 pairs "
        "kept.",
        "- Word lines are driven once for each sub-group, however few columns it keeps; and the first layer, the "
        "1 × 1 convolutions and the classifier are not pruned.",
        "- Scaling, activating and buffering an output costs nearly the same in both networks.", "",
        *table(variants, "variant"), "",
        "Which parts the published figure counts is not printed. `reports/claims` has both readings: all of a tile, "
        "and the array, its converters, sample-and-hold and shift-and-add alone, on crossbars of 144 rows; and the "
        "gain on NeuroSim's prices, which is smaller.", "",
        "## By component (compute scope, `fit`)", "",
        *differences("energy.by_component_aj", dense, pruned, {"router", *dense["energy.static_aj"]}), "",
        "## By layer", "", *differences("energy.by_layer_aj", dense, pruned, set()), ""])


def picture(rows: list[dict[str, object]]) -> Figure:
    figure = Figure(figsize=(7.2, 3.4), layout="constrained")
    axes = figure.subplots()
    names = [str(r["policy"]) for r in rows]
    for offset, key in enumerate(("speed gain", "energy gain (compute)", "one-copy crossbar gain")):
        bars = axes.bar([i + 0.27 * (offset - 1) for i in range(len(names))], [r[key] for r in rows], 0.25, label=key)
        axes.bar_label(bars, fmt="%.1f", fontsize=7)
    axes.axhline(PUBLISHED_ENERGY, color="grey", linewidth=0.8, linestyle="--", label="published energy gain")
    axes.set_xticks(range(len(names)), names)
    axes.set_ylabel("pruned over dense")
    axes.legend(fontsize=7, ncols=4, loc="upper center")
    axes.margins(y=0.2)
    return figure


def main() -> None:
    rows = policy_rows()
    (HERE / "meng.md").write_text(markdown(rows))
    (HERE / "meng.csv").write_text(sheet(list(rows[0]), [list(row.values()) for row in rows]))
    picture(rows).savefig(HERE / "meng.svg", metadata={"Date": None})


if __name__ == "__main__":
    main()
