"""The table behind the report: one row per claim, workload, base, policy, scope and price of conversion."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from itertools import pairwise

from xbarch.choice import choose_datapath
from xbarch.errors import CapacityError
from xbarch.request import Request
from xbarch.result import words
from xbarch.result.result import Result
from xbarch.studies.claims.chips import Fitted, fit
from xbarch.studies.claims.claim import Adc, Base, Claim, Paper
from xbarch.studies.claims.desk import Desk
from xbarch.studies.claims.figures import FIGURES, SCOPES, Figure, Pair, Side, accuracy, sentence
from xbarch.studies.claims.published import ADCS, CLAIMS, DENSE, PAPERS
from xbarch.support import defaults
from xbarch.support.progress import Progress

_BOTH = ("balanced", "published")
_REPLICATION = {"balanced": "stripes"}  # with windows in turn the buffers bind, not crossbars


@dataclass(frozen=True, kw_only=True)
class Row:
    """A claim on one workload against one base. Gains are the dense network's value over the pruned network's."""

    paper: str
    claim: str
    published: float | None
    """In the figure's unit; None: the paper gives no number."""
    bound: str
    unit: str
    sure: str
    """Where the number comes from."""
    citation: str
    figure: str
    workload: str
    base: str
    policy: str
    periphery: str
    """How shared parts are sized; empty: no run is needed."""
    bound_by: str
    """What binds base and pruned run, where the figure depends on their pace; else empty."""
    scope: str
    adc: str
    """Price of conversion."""
    simulated: float | None
    """In the figure's unit; None: not measured."""
    ratio: float | None
    """published / simulated; None where it is not the method that is compared: another part than crossbars binds."""
    bound_gain: float | None
    """In the un-rounded pipeline interval."""
    crossbar_gain: float | None
    """In the crossbars of one copy of each layer."""
    window_gain: float | None
    """In the crossbar time per image."""
    why: str
    """One sentence."""
    holds: str
    """What would have to be true for the published number to hold."""
    recipe: bool
    """Whether the figure is what the recipe asks for: set, not found."""
    remainder: float | None
    """The factor of the explanation that stands for everything its other factors do not say."""
    accuracy: dict[str, float]
    """Shares by phase of the training."""
    status: str
    """measured, or why not."""

    @property
    def judged(self) -> bool:
        """Whether its scope and price of conversion are those by which claims are judged."""
        return self.scope in ("", SCOPES[0]) and self.adc in ("", ADCS[0].name)


@dataclass(frozen=True)
class Case:
    """One comparison: a claim on a workload against a base, under a policy (empty: no run is needed) and a price of
    conversion."""

    claim: Claim
    workload: str
    base: Base
    policy: str
    adc: Adc
    periphery: str = defaults.PERIPHERY

    @property
    def figure(self) -> Figure:
        return FIGURES[self.claim.figure]

    def after(self, desk: Desk) -> Request:
        """Return the run of the pruned network."""
        return desk.request(self.workload, self.machine, policy=self.policy, periphery=self.periphery,
                            replication=_REPLICATION.get(self.periphery, ""), datapath=self.claim.datapath,
                            options=dict(self.base.method), overrides=self.overrides,
                            bits=self.base.bits if self.base.both else None,
                            activation_bits=self.base.activation_bits, level_bits=self.base.level_bits)

    def before(self, desk: Desk) -> Request:
        """Return the run of the base."""
        return desk.request(self.rival, self.base.architecture or self.machine, policy=self.policy,
                            periphery=self.periphery, replication=_REPLICATION.get(self.periphery, ""),
                            datapath=self.base.datapath, options=dict(self.base.options), overrides=self.overrides,
                            bits=self.base.bits, activation_bits=self.base.activation_bits,
                            level_bits=self.base.level_bits)

    @property
    def machine(self) -> str:
        """The architecture of the pruned network."""
        return self.base.on or paper(self.claim).architecture

    @property
    def rival(self) -> str:
        """The workload of the base."""
        return self.base.workload or DENSE[self.workload]

    @property
    def overrides(self) -> tuple[str, ...]:
        return (*self.base.overrides, *self.adc.overrides)


def cases(claims: Sequence[Claim] = CLAIMS, policies: Sequence[str] = (), periphery: str = "") -> list[Case]:
    """Return every comparison of the claims. policies: instead of the one of each figure. periphery: instead of both,
    the balanced one first, for figures that depend on pace, and the published one for the others. Prices of conversion
    other than the first are compared under the first policy and periphery only; bases of which one side alone has other
    bits under no `crossbars` policy, as its budget is a multiple of each network's own crossbars."""
    found: list[Case] = []
    for claim in claims:
        figure = FIGURES[claim.figure]
        runs, sizes = figure.runs, _BOTH if figure.timed else (defaults.PERIPHERY,)
        bases = claim.bases or (paper(claim).bases if runs else paper(claim).bases[:1])
        for workload in claim.workloads:
            for base in bases:
                for i, policy in enumerate(tuple(policies) or (figure.policy,)) if runs else [(0, "")]:
                    if base.bits is None or base.both or not policy.startswith("crossbars"):
                        prices = [a for a in ADCS if a.name in claim.adcs] if i == 0 else []
                        asked = (periphery,) if periphery else sizes
                        found += [Case(claim, workload, base, policy, adc, size)
                                  for number, adc in enumerate(prices or ADCS[:1])
                                  for size in (asked[:1] if number else asked)]
    return found


def paper(claim: Claim) -> Paper:
    """Return the publication of a claim."""
    return next(p for p in PAPERS if p.key == claim.paper)


def rows(desk: Desk, found: Sequence[Case], progress: Progress | None = None) -> list[Row]:
    """Simulate what the cases need, and return their rows."""
    desk.run([request for case in found if case.policy and not missing_workload(desk, case)
              for request in (case.before(desk), case.after(desk))], progress)
    fitted = cache(lambda request: fit(desk.setup(request)))
    return [row for case in found for row in _rows(desk, case, fitted)]


def missing_workload(desk: Desk, case: Case) -> str:
    """Return the first workload of a case that is not stored; empty if both are."""
    return next((name for name in (case.workload, case.rival) if desk.network(name) is None), "")


def _rows(desk: Desk, case: Case, fitted: Callable[[Request], Fitted]) -> Iterator[Row]:
    lacking = missing_workload(desk, case)
    if lacking:
        yield _row(desk, case, "", None, f"not available: workload {lacking} is not stored")
        return
    try:
        pair = _pair(desk, case, fitted)
        for scope in SCOPES if case.figure.scoped else ("",):
            yield _row(desk, case, scope, pair, "measured")
    except CapacityError as error:
        yield _row(desk, case, "", None, f"does not fit: {str(error).removeprefix(f'{error.field}: ')}")


def _pair(desk: Desk, case: Case, fitted: Callable[[Request], Fitted]) -> Pair:
    """Return both sides of a case.

    Raises:
        CapacityError: one of them does not fit.
    """
    sides = []
    for request in (case.before(desk), case.after(desk)):
        network = desk.workload(request)
        result = desk.result(request) if case.policy else None
        path = choose_datapath(network, request.datapath, request.options, desk.bench.contents.encoding(request))
        sides.append(Side(network, partial(desk.machine, request), path, result, partial(fitted, request),
                          partial(desk.packed, request), partial(desk.converter, request)))
    return Pair(*sides)


def _bound(pair: Pair) -> str:
    """Say whether a figure that depends on pace is one of the method."""
    if words.of_method(*pair.sides):
        return "crossbars bind both runs"
    return f"{words.sides(*pair.sides)} (base / pruned), so this is no speed of the method"


def _row(desk: Desk, case: Case, scope: str, pair: Pair | None, status: str) -> Row:
    claim, figure = case.claim, case.figure
    steps = figure.chain(pair, scope) if pair else []
    simulated = steps[-1].gain if steps else None
    timed = figure.timed and pair is not None and bool(steps)
    ours = not timed or pair is None or words.of_method(*pair.sides)
    comparable = figure.ratio and status == "measured" and ours and not claim.recipe
    said = [sentence(steps, figure), figure.detail(pair) if pair else "", _bound(pair) if timed and pair else "",
            claim.note]
    runs = pair is not None and isinstance(pair.after.result, Result)
    network = desk.network(case.workload)
    return Row(
        paper=claim.paper, claim=claim.says, published=claim.value, bound=claim.bound, unit=figure.unit,
        sure=claim.sure, citation=paper(claim).cite, figure=figure.label, workload=case.workload, base=case.base.name,
        policy=case.policy, periphery=case.periphery if case.policy else "",
        bound_by=" / ".join(pair.sides) if timed and pair else "", scope=scope,
        adc=case.adc.name if claim.adcs else "", simulated=simulated,
        ratio=claim.value / simulated if comparable and claim.value is not None and simulated else None,
        bound_gain=pair.bound if pair and runs else None, crossbar_gain=pair.crossbars if pair and runs else None,
        window_gain=pair.windows if pair and runs else None, why="; ".join(filter(None, said)) if steps else "",
        holds=claim.holds, recipe=claim.recipe,
        remainder=next((b.gain / a.gain for a, b in pairwise(steps) if b.rest), None),
        accuracy=accuracy(network) if network else {},
        status=status if steps or pair is None else "not available: not measured")
