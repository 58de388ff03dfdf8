"""The table behind the report: one row a claim, workload, base, policy, scope and price of conversion."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial

from xbarch.errors import CapacityError
from xbarch.result.result import Result
from xbarch.request import choose
from xbarch.studies.claims.bench import Bench, Job, Progress
from xbarch.studies.claims.chips import Held, hold
from xbarch.studies.claims.claim import Adc, Base, Claim, Paper
from xbarch.studies.claims.figures import FIGURES, SCOPES, Figure, Pair, Side, accuracy, sentence
from xbarch.studies.claims.published import ADCS, CLAIMS, DENSE, PAPERS


@dataclass(frozen=True)
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

    @property
    def after(self) -> Job:
        return Job(self.workload, self.policy, self.claim.datapath, overrides=self.overrides,
                   bits=self.base.bits if self.base.both else None, architecture=paper(self.claim).architecture)

    @property
    def before(self) -> Job:
        return Job(self.base.workload or DENSE[self.workload], self.policy, self.base.datapath, self.base.options,
                   self.overrides, self.base.bits, self.base.architecture or paper(self.claim).architecture)

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


def rows(bench: Bench, found: Sequence[Case], progress: Progress | None = None) -> list[Row]:
    """Simulate what the cases need, and make their rows."""
    bench.run((job for case in found if case.policy and not missing(bench, case) for job in (case.before, case.after)),
              progress)
    held = cache(partial(_held, bench))
    return [row for case in found for row in _rows(bench, case, held)]


def missing(bench: Bench, case: Case) -> str:
    """The workload of a case that is not stored, "" none."""
    return next((job.workload for job in (case.after, case.before) if bench.network(job.workload) is None), "")


def _rows(bench: Bench, case: Case, held: Callable[[Job], Held]) -> Iterator[Row]:
    lacking = missing(bench, case)
    if lacking:
        yield _row(bench, case, "", None, f"not available: workload {lacking} is not stored")
        return
    try:
        pair = _pair(bench, case, held)
        for scope in SCOPES if case.figure.scoped else ("",):
            yield _row(bench, case, scope, pair, "measured")
    except CapacityError as error:
        yield _row(bench, case, "", None, f"does not fit: {str(error).removeprefix(f'{error.field}: ')}")


def _pair(bench: Bench, case: Case, held: Callable[[Job], Held]) -> Pair:
    """Both sides of a case.

    Raises:
        CapacityError: one of them did not fit.
    """
    sides = []
    for job in (case.before, case.after):
        network = bench.network(job.workload, job.bits)
        assert network is not None
        result = bench.result(job) if job.policy else None
        if isinstance(result, CapacityError):
            raise result
        path = choose(network, job.datapath or None, dict(job.options))
        sides.append(Side(network, partial(bench.machine, job), path, result, partial(held, job)))
    return Pair(*sides)


def _held(bench: Bench, job: Job) -> Held:
    network = bench.network(job.workload, job.bits)
    assert network is not None
    return hold(network, choose(network, job.datapath or None, dict(job.options)), bench.machine(job))


def _row(bench: Bench, case: Case, scope: str, pair: Pair | None, status: str) -> Row:
    claim, figure = case.claim, case.figure
    steps = figure.chain(pair, scope) if pair else []
    simulated = steps[-1].gain if steps else None
    comparable = simulated and claim.value is not None and figure.ratio and status == "measured"
    words = [sentence(steps, figure), figure.detail(pair) if pair else "", claim.note]
    runs = pair is not None and isinstance(pair.after.result, Result)
    network = bench.network(case.workload)
    return Row(
        claim.paper, claim.says, claim.value, claim.bound, figure.unit, claim.sure, paper(claim).cite, figure.label,
        case.workload, case.base.name, case.policy, scope, case.adc.name if claim.adcs else "", simulated,
        claim.value / simulated if comparable and claim.value and simulated else None,
        pair.bound if pair and runs else None, pair.crossbars if pair and runs else None,
        pair.windows if pair and runs else None, "; ".join(filter(None, words)) if steps else "",
        accuracy(network) if network else {}, status if steps or pair is None else "not available: not measured")
