"""`python meter.py SECONDS COMMAND...`: run a command, print what it used as one line of JSON.

A small process of its own, because a child's peak memory is never below that of the process it was forked from.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time

_LOOK = 0.005  # s between two looks
_SAID = 2000  # bytes of the end of what the command said


def main(limit: float, command: list[str]) -> dict[str, object]:
    """code: exit code, -signal, 124 for one that took longer than the limit (s), 127 for one that cannot be started."""
    with tempfile.TemporaryFile() as out:
        start = time.monotonic()
        try:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
                                       start_new_session=True)
        except OSError as error:
            return {"code": 127, "cpu_s": 0.0, "wall_s": 0.0, "peak_mb": 0.0, "said": str(error)}
        ended, late = 0, False
        try:
            while not ended:
                ended, status, used = os.wait4(process.pid, 0 if late else os.WNOHANG)
                if not ended and time.monotonic() - start > limit:
                    late = True
                    os.killpg(process.pid, signal.SIGKILL)
                elif not ended:
                    time.sleep(_LOOK)
        finally:
            if not ended:
                os.killpg(process.pid, signal.SIGKILL)
        wall = time.monotonic() - start
        out.seek(max(0, out.seek(0, os.SEEK_END) - _SAID))
        said = out.read().decode(errors="replace")
    unit = 1 if sys.platform == "darwin" else 1024
    return {"code": 124 if late else os.waitstatus_to_exitcode(status), "cpu_s": used.ru_utime + used.ru_stime,
            "wall_s": wall, "peak_mb": used.ru_maxrss * unit / 1e6, "said": said}


if __name__ == "__main__":
    print(json.dumps(main(float(sys.argv[1]), sys.argv[2:])))
