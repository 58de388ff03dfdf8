"""Every visit of a token to a stage, written to a file while the simulation goes on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import numpy as np
from numpy.typing import NDArray

from xbarch.errors import InputError
from xbarch.result.tracks import Tracks
from xbarch.sim.graph import Sink, StageGraph
from xbarch.support import files
from xbarch.support.extras import needs
from xbarch.support.sheet import sheet

COLUMNS = ("layer", "copy", "stage", "server", "image", "window", "asked_ps", "granted_ps", "over_ps", "out_ps")
_PERFETTO = (".perfetto-trace", ".perfetto-trace.gz")
_ENDINGS = (".csv", ".csv.gz", *_PERFETTO)


def placed(path: Path) -> Path:
    """The path, once it is certain that a trace can be written there.

    Raises:
        InputError: the name ends in nothing that says what to write, or the file could not be written.
        MissingExtraError: a trace for Perfetto, and its package is not installed.
    """
    if not path.name.endswith(_ENDINGS):
        raise InputError(f"must be a file name that ends in {', '.join(_ENDINGS[:-1])} or {_ENDINGS[-1]}, "
                         f"not {path.name!r}", field="trace")
    if path.name.endswith(_PERFETTO):
        with needs("trace", "a trace for Perfetto"):
            import perfetto.protos.perfetto.trace.perfetto_trace_pb2  # noqa: F401
    files.writable(path.parent, path.name)
    return path


@contextmanager
def tracing(path: Path, graph: StageGraph, windows: dict[str, int]) -> Iterator[Sink]:
    """A sink that writes every visit to `path` as it comes: a line each (`COLUMNS`), or a slice each
    (`xbarch.result.tracks`). windows: of each flow per image.

    Raises:
        InputError: the file cannot be written.
    """
    if path.name.endswith(_PERFETTO):
        with files.stream_bytes(path) as file:
            tracks = Tracks(file, graph, windows)
            yield tracks.rows
            tracks.finish()
        return
    with files.stream(path) as text:
        yield _lines(text, graph, windows)


def _lines(text: TextIO, graph: StageGraph, windows: dict[str, int]) -> Sink:
    places = [(flow.name, number, stage.name.removeprefix(f"{flow.name}/"),
               graph.servers[stage.server].name if stage.server >= 0 else "")
              for flow in graph.flows for number, stages in enumerate(flow.copies) for stage in stages]
    heads = [sheet(list(map(str, place)), ())[:-1] for place in places]
    per = np.repeat([windows[flow.name] for flow in graph.flows],
                    [sum(map(len, flow.copies)) for flow in graph.flows]).astype(np.int64)
    text.write(",".join(COLUMNS) + "\n")

    def sink(rows: NDArray[np.int64]) -> None:
        image, window = np.divmod(rows[:, 1], per[rows[:, 0]])
        numbers = np.column_stack((image, window, rows[:, 2:])).tolist()
        text.writelines(f"{heads[stage]},{','.join(map(str, row))}\n"
                        for stage, row in zip(rows[:, 0].tolist(), numbers, strict=True))

    return sink
