"""The workers of a Dask scheduler, on any machines that reach it."""

from __future__ import annotations

import logging
from contextlib import suppress
from pathlib import Path
from typing import Any

from xbarch.errors import InputError
from xbarch.support.executors.crew import Asked, Crew
from xbarch.support.extras import needs

_PATIENCE = 30.0  # s for the scheduler to answer, and for its first worker


def opened(asked: Asked) -> Crew:
    """Connect to the scheduler at an address, or to the one that a scheduler file names.

    Raises:
        InputError: none is given, it does not answer, or it has no workers.
    """
    if asked.scheduler is None:
        raise InputError("must be the address of a Dask scheduler, as in tcp://host:8786, or its scheduler file",
                         field="scheduler")
    with needs("cluster", "--executor dask"):
        from distributed import Client

    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what happens to workers is dealt with
    where = {"scheduler_file": asked.scheduler} if Path(asked.scheduler).is_file() else {"address": asked.scheduler}
    try:
        client = Client(**where, timeout=_PATIENCE, set_as_default=False)
    except (OSError, ValueError, ImportError, KeyError) as error:
        said = str(error).strip().splitlines()
        raise InputError(f"no Dask scheduler answers at {asked.scheduler}"
                         f"{f' ({said[0][:150]})' if said else ''}; start one with `dask scheduler`, and give its "
                         "address or its scheduler file", field="scheduler") from None
    try:
        client.wait_for_workers(1, timeout=_PATIENCE)
    except OSError:
        client.close()
        raise InputError(f"the Dask scheduler at {asked.scheduler} has no workers; start some with `dask worker "
                         "ADDRESS`", field="scheduler") from None
    return _crew(client, asked.processes)


def _crew(client: Any, processes: int | None) -> Crew:
    def under_way() -> int:
        threads: int = sum(worker["nthreads"] for worker in client.scheduler_info(-1)["workers"].values())
        return max(2, 2 * (threads if processes is None else min(threads, processes)))

    def close() -> None:
        with suppress(Exception):  # it may be gone
            executor.shutdown(wait=False)
        client.close(timeout=2)

    executor = client.get_executor(pure=False)
    return Crew(executor, under_way, close, gone=_gone())


def _gone() -> tuple[type[BaseException], ...]:
    import asyncio
    from concurrent.futures import BrokenExecutor, CancelledError

    from distributed.client import FutureCancelledError

    return BrokenExecutor, CancelledError, asyncio.CancelledError, FutureCancelledError, OSError
