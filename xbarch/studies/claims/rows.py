"""The table behind the report: one row a claim, workload, base, policy, scope and price of conversion."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial

from xbarch.errors import CapacityError
from xbarch.request import Request, choose_datapath
from xbarch.result.result import Result
from xbarch.studies.claims.chips import Held, hold
from xbarch.studies.claims.claim import Adc, Base, Claim, Paper
from xbarch.studies.claims.desk import Desk
from xbarch.studies.claims.figures import FIGURES, SCOPES, Figure, Pair, Side, accuracy, sentence
from xbarch.studies.claims.published import ADCS, CLAIMS, DENSE, PAPERS
from xbarch.studies.runs.bench import Progress


@dataclass(frozen=True, kw_only=True)
class Row:
    """published, simulated: in the figure's unit, None where there is none. ratio: published / simulated. *_gain: the
    dense network's over the pruned one's of un-rounded interval, crossbars of one copy, window-weighted crossbar time.
    why: one sentence. accuracy: shares by phase of the training. status: measured, or why not."""

    paper: str
    claim: str
    published: float | None
    bound: str
    unit: str
    sure: str
    citation: str
    figure: str
    workload: str
    base: str
    policy: str
    scope: str
    adc: str
    simulated: float | None
    ratio: float | None
    bound_gain: float | None
    crossbar_gain: float | None
    window_gain: float | None
    why: str
    accuracy: dict[str, float]
    status: str

    @property
    def judged(self) -> bool:
        """Whether its scope and price of conversion are those that claims are judged by."""
        return self.scope in ("", SCOPES[0]) and self.adc in ("", ADCS[0].name)


@dataclass(frozen=True)
class Case:
    """One comparison: a claim on a workload against a base, under a policy and a price; policy "": no run is needed."""

    claim: Claim
    workload: str
    base: Base
    policy: str
    adc: Adc

    @property
    def figure(self) -> Figure:
        return FIGURES[self.claim.figure]

    def after(self, desk: Desk) -> Request:
        """The pruned network's run."""
        return desk.request(self.workload, self.policy, self.claim.datapath, overrides=self.overrides,
                            bits=self.base.bits if self.base.both else None,
                            architecture=paper(self.claim).architecture)

    def before(self, desk: Desk) -> Request:
        """The run of what it is compared with."""
        return desk.request(self.rival, self.policy, self.base.datapath, options=dict(self.base.options),
                            overrides=self.overrides, bits=self.base.bits,
                            architecture=self.base.architecture or paper(self.claim).architecture)

    @property
    def rival(self) -> str:
        """The workload that it is compared with."""
        return self.base.workload or DENSE[self.workload]

    @property
    def overrides(self) -> tuple[str, ...]:
        return (*self.base.overrides, *self.adc.overrides)


def cases(claims: Sequence[Claim] = CLAIMS, policies: Sequence[str] = ()) -> list[Case]:
    """Every comparison of the claims. policies: instead of each claim's own. Other prices of conversion than the first
    are asked for under the first policy only, and bases of other bits or machines under no `crossbars` policy, whose
    budget is a multiple of each network's own."""
    found: list[Case] = []
    for claim in claims:
        runs = FIGURES[claim.figure].runs
        bases = claim.bases or (paper(claim).bases if runs else paper(claim).bases[:1])
        for workload in claim.workloads:
            for base in bases:
                for i, policy in enumerate(tuple(policies) or claim.policies) if runs else [(0, "")]:
                    if (base.bits is None and not base.architecture) or not policy.startswith("crossbars"):
                        prices = [a for a in ADCS if a.name in claim.adcs] if i == 0 else []
                        found += [Case(claim, workload, base, policy, adc) for adc in prices or ADCS[:1]]
    return found


def paper(claim: Claim) -> Paper:
    return next(p for p in PAPERS if p.key == claim.paper)


def rows(desk: Desk, found: Sequence[Case], progress: Progress | None = None) -> list[Row]:
    """Simulate what the cases need, and make their rows."""
    desk.run([request for case in found if case.policy and not missing(desk, case)
              for request in (case.before(desk), case.after(desk))], progress)
    held = cache(lambda request: hold(desk.setup(request)))
    return [row for case in found for row in _rows(desk, case, held)]


def missing(desk: Desk, case: Case) -> str:
    """The workload of a case that is not stored, "" none."""
    return next((name for name in (case.workload, case.rival) if desk.network(name) is None), "")


def _rows(desk: Desk, case: Case, held: Callable[[Request], Held]) -> Iterator[Row]:
    lacking = missing(desk, case)
    if lacking:
        yield _row(desk, case, "", None, f"not available: workload {lacking} is not stored")
        return
    try:
        pair = _pair(desk, case, held)
        for scope in SCOPES if case.figure.scoped else ("",):
            yield _row(desk, case, scope, pair, "measured")
    except CapacityError as error:
        yield _row(desk, case, "", None, f"does not fit: {str(error).removeprefix(f'{error.field}: ')}")


def _pair(desk: Desk, case: Case, held: Callable[[Request], Held]) -> Pair:
    """Both sides of a case.

    Raises:
        CapacityError: one of them did not fit.
    """
    sides = []
    for request in (case.before(desk), case.after(desk)):
        network = desk.workload(request)
        result = desk.result(request) if case.policy else None
        path = choose_datapath(network, request.datapath, request.options)
        sides.append(Side(network, partial(desk.machine, request), path, result, partial(held, request)))
    return Pair(*sides)


def _row(desk: Desk, case: Case, scope: str, pair: Pair | None, status: str) -> Row:
    claim, figure = case.claim, case.figure
    steps = figure.chain(pair, scope) if pair else []
    simulated = steps[-1].gain if steps else None
    comparable = simulated and claim.value is not None and figure.ratio and status == "measured"
    words = [sentence(steps, figure), figure.detail(pair) if pair else "", claim.note]
    runs = pair is not None and isinstance(pair.after.result, Result)
    network = desk.network(case.workload)
    return Row(
        paper=claim.paper, claim=claim.says, published=claim.value, bound=claim.bound, unit=figure.unit,
        sure=claim.sure, citation=paper(claim).cite, figure=figure.label, workload=case.workload, base=case.base.name,
        policy=case.policy, scope=scope, adc=case.adc.name if claim.adcs else "", simulated=simulated,
        ratio=claim.value / simulated if comparable and claim.value and simulated else None,
        bound_gain=pair.bound if pair and runs else None, crossbar_gain=pair.crossbars if pair and runs else None,
        window_gain=pair.windows if pair and runs else None, why="; ".join(filter(None, words)) if steps else "",
        accuracy=accuracy(network) if network else {},
        status=status if steps or pair is None else "not available: not measured")
