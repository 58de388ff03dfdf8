"""`xbarch search`: ask for points, run those that have no answer yet, tell what they are worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from xbarch.errors import InputError
from xbarch.request import Request
from xbarch.result.schema import Record
from xbarch.specs.explain import lacking
from xbarch.specs.load import Document, document, validate
from xbarch.specs.search import Search
from xbarch.studies.runs.answer import Answer, names_of
from xbarch.studies.runs.bench import STORE, Bench
from xbarch.studies.search.files import FILES, save
from xbarch.studies.search.found import Found, Tried
from xbarch.studies.search.space import Space
from xbarch.studies.sweep.points import Points
from xbarch.studies.sweep.sheet import EXACT
from xbarch.studies.sweep.totals import SPEED
from xbarch.support.executors.named import DEFAULT
from xbarch.support.extras import needs
from xbarch.support.files import writable
from xbarch.support.progress import Progress

if TYPE_CHECKING:
    from xbarch.studies.search.trials import Judged, Trial, Trials

JOURNAL = "search.journal"


def read(source: str | Path) -> tuple[Search, Document]:
    """Read a search from a YAML file or a bundled name; return it with the file that its errors refer to."""
    found = document(source, kind="studies")
    return validate(found, Search), found


def search(source: str | Path | Search, out: str | Path, *, trials: int | None = None, seed: int | None = None,
           storage: str | None = None, processes: int | None = None, executor: str | Executor = DEFAULT,
           scheduler: str | None = None, progress: Progress | None = None) -> Found:
    """Let an optimizer choose points of a space, run them, and return all with their front.

    Optuna keeps the trials in a storage, OUT/runs.sqlite the answers: the same call resumes a search that was
    interrupted or killed, and ends as if it had not been. Which points are tried follows from the search and its seed,
    on any executor. OUT/search.csv, .json and .svg have the points, the front and its picture.

    Args:
        source: a YAML file, a bundled name or a loaded search.
        out: output folder.
        trials: points to simulate, instead of the search's; more than before go on from there.
        seed: instead of the search's.
        storage: a file, or the URL of a database that Optuna knows; None: OUT/search.journal.
        processes, executor, scheduler: as of `xbarch.sweep`.
        progress: called with (points answered, points in all, what was run).

    Raises:
        InputError: the search is refused, something it names does not exist, the executor does not answer, the storage
            holds another search, or the folder cannot be written.
        XbarchError: the process of a point died. All other answers are kept, and the next call tries it again.
    """
    folder = Path(out)
    asked, found = (source, Document("search", {})) if isinstance(source, Search) else read(source)
    given = {name: value for name, value in (("trials", trials), ("seed", seed)) if value is not None}
    asked = validate(Document("search", {**asked.model_dump(), **given}), Search) if given else asked
    wanted = list(dict.fromkeys([*asked.figures, *asked.objectives, *asked.constraints, EXACT]))
    bench = Bench(folder / STORE, processes, executor=executor, scheduler=scheduler, wanted=tuple(wanted))
    with found.blamed():
        check_figures(asked)
        space = Space(Points(asked, bench.contents))
    with needs("search", "xbarch search"):
        from xbarch.studies.search.trials import Trials
    writable(folder, STORE, *FILES)
    kept = Trials(asked, space, str(folder / JOURNAL) if storage is None else storage)
    _refuse_other_content(kept, bench)
    done = Found(asked, _run(kept, bench, wanted, progress))
    save(done, folder)
    return done


def check_figures(asked: Search) -> None:
    """Refuse figures that no result has, or that none of these runs has.

    Raises:
        InputError: which one, and what to do.
    """
    places = [*((name, f"objectives.{name}") for name in asked.objectives),
              *((name, f"constraints.{name}") for name in asked.constraints),
              *((name, f"figures.{number}") for number, name in enumerate(asked.figures))]
    fixed = names_of(())[:-1]
    for name, place in places:
        wrong = lacking(Record, name)
        if not wrong and name not in fixed and any(other.startswith(f"{name}.") for other in fixed):
            wrong = f"is no number but a part of the result; {name}.* are its numbers"
        if not wrong and place.startswith(("objectives", "constraints")):
            wrong = _absent(asked, name)
        if wrong:
            raise InputError(wrong, field=place)


def _absent(asked: Search, name: str) -> str:
    """Say why no run of a search has a figure; empty if some have."""
    varied = {field.strip() for axis in asked.axes for field in axis.split(",")}
    if name.startswith("accuracy.") and asked.accuracy is None and "accuracy" not in varied:
        return "is not measured; give `accuracy: N`, the test images that every point classifies"
    if name == SPEED and asked.images == 1 and "images" not in varied:
        return "is not known of a single image; give `images: 2` or more"
    return ""


def _refuse_other_content(trials: Trials, bench: Bench) -> None:
    """Refuse to go on with trials whose points would have other figures now."""
    for trial in trials.trials[:1]:
        kept = trials.point(trial)
        if kept and kept != bench.digest(trials.space.points.at(trial.places).request):
            raise InputError("was begun by another version of xbarch, or with other content of the files it names, so "
                             "its trials cannot be compared with new ones; give another output folder or storage",
                             field="storage")


def _run(trials: Trials, bench: Bench, wanted: Sequence[str], progress: Progress | None) -> list[Tried]:
    """Run batches of trials until there are enough, and return every point once."""
    found = dict[tuple[int, ...], Tried]()
    known = [trial for trial in trials.trials if trial.told]
    found.update(_answered(known, trials, bench, wanted, None))
    with bench.staying(trials.asked.at_once):
        while batch := trials.batch():
            base = len({trial.places for trial in trials.trials if trial.told})

            def report(done: int, total: int, text: str, base: int = base) -> None:
                if progress is not None:
                    progress(min(base + done, trials.asked.trials), trials.asked.trials, text)

            new = [trial for trial in batch if trial.places not in found]
            found.update(_answered(new, trials, bench, wanted, report))
            for trial in batch:
                trials.tell(trial, judge(trials.asked, found[trial.places]))
    return sorted(found.values(), key=lambda each: each.trial)


def _answered(some: Sequence[Trial], trials: Trials, bench: Bench, wanted: Sequence[str],
              progress: Progress | None) -> dict[tuple[int, ...], Tried]:
    """Return the points of trials with their answers, each once."""
    points = {trial.places: (trial.number, trials.space.points.at(trial.places)) for trial in reversed(some)}
    requests: dict[tuple[int, ...], Request] = {places: points[places][1].request for places in reversed(points)}
    answers: Mapping[str, Answer] = bench.run(requests.values(), progress) if requests else {}
    made = {}
    for places, request in requests.items():
        answer = answers[name := bench.name(request)]
        figures, converters = answer.measured()
        tried = Tried(points[places][0], points[places][1], name, answer.why,
                      {key: figures[key] for key in wanted if key in figures}, converters)
        made[places] = tried if tried.why else replace(tried, broken=tuple(broken(trials.asked, tried.figures)))
    return made


def broken(asked: Search, figures: Mapping[str, float]) -> list[str]:
    """Return the constraints that figures break; a figure that is not there keeps none."""
    return [name for name, value in excess(asked, figures).items() if value > 0]


def excess(asked: Search, figures: Mapping[str, float]) -> dict[str, float]:
    """Return how far each constraint is broken, relative to its limit, 0 where it is kept; 1 for a figure that is not
    there."""
    return {name: limit.excess(figures[name]) if name in figures else 1.0 for name, limit in asked.constraints.items()}


def judge(asked: Search, tried: Tried) -> Judged:
    """Return what the optimizer is told of a point."""
    from xbarch.studies.search.trials import Judged

    values = [tried.figures.get(name) for name in asked.objectives]
    known = [value for value in values if value is not None]
    notes = {"point": tried.name, "command": tried.command, **({"why": tried.why} if tried.why else {})}
    if tried.why or len(known) < len(values):
        return Judged(None, {}, notes)
    return Judged(known, excess(asked, tried.figures), notes)
