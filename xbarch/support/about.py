"""The version, where every package may read it, and the name of the source text that runs."""

from functools import lru_cache
from pathlib import Path

__version__ = "0.1.0"


@lru_cache(maxsize=1)
def code() -> str:
    """Digest of the version and of every source file of xbarch: what an answer that is kept was made by."""
    from hashlib import sha256

    found = sha256(__version__.encode())
    package = Path(__file__).resolve().parents[1]
    for path in sorted(package.rglob("*.py")):
        found.update(path.relative_to(package).as_posix().encode() + b"\0" + path.read_bytes())
    return found.hexdigest()
