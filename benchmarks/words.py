"""Make the spoken words that travel with xbarch: synthesised, disturbed, and kept as log-mel energies.

    pip install -c constraints.txt '.[sound,train]' espeakng-loader==0.2.4
    python -m benchmarks.words                    # writes xbarch/workload/images/words.npz

Every clip is a word in a random accent, voice, pitch and speed, within 0.1 s of the middle of its second, at a random
level, with white and brown noise 10 to 30 dB below it. Voices of the validation and the test part are in no other part.
eSpeak NG draws its breath anew in every call, so a second run makes other clips of the same kind.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from pathlib import Path

import espeakng_loader
import numpy as np
from numpy.typing import NDArray
from scipy.signal import resample_poly

from xbarch.compress.images.speech import RATE, energies
from xbarch.workload.images.words import FILE, WORDS

ACCENTS = ("en-us", "en", "en-gb-scotland", "en-gb-x-rp", "en-gb-x-gbclan", "en-gb-x-gbcwmd", "en-029", "en-us-nyc")
VOICES = {"train": ("m1", "m2", "m3", "m4", "m5", "m6", "f1", "f2", "f3"), "val": ("m7", "f4"), "test": ("m8", "f5")}
CLIPS = {"train": 100, "val": 20, "test": 30}  # of every word
OWN_RATE = 22_050  # samples per second of eSpeak NG
_RATE, _PITCH, _RANGE = 1, 3, 4  # espeak_PARAMETER
_RETRIEVE, _CHARACTERS, _UTF8 = 1, 1, 1  # synchronous output to the callback; positions in characters; text in UTF-8
Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)


class Speaker:
    """eSpeak NG, which calls back with samples."""

    def __init__(self) -> None:
        self.library = ctypes.cdll.LoadLibrary(espeakng_loader.get_library_path())
        if self.library.espeak_Initialize(2, 0, str(Path(espeakng_loader.get_data_path()).parent).encode(), 0) < 0:
            raise RuntimeError("eSpeak NG does not start")
        self.parts: list[NDArray[np.int16]] = []
        self.callback = Callback(self._take)  # kept, as the library calls it later
        self.library.espeak_SetSynthCallback(self.callback)

    def _take(self, samples: ctypes._Pointer[ctypes.c_short], count: int, events: int) -> int:
        if samples and count:
            self.parts.append(np.ctypeslib.as_array(samples, (count,)).copy())
        return 0

    def say(self, word: str, voice: str, rate: int, pitch: int, spread: int) -> NDArray[np.float64]:
        """Samples at `RATE`, the largest of them 1."""
        self.parts.clear()
        if self.library.espeak_SetVoiceByName(voice.encode()) != 0:
            raise RuntimeError(f"eSpeak NG has no voice {voice}")
        for parameter, value in ((_RATE, rate), (_PITCH, pitch), (_RANGE, spread)):
            self.library.espeak_SetParameter(parameter, value, 0)
        text = word.encode()
        self.library.espeak_Synth(text, len(text) + 1, 0, _CHARACTERS, 0, _UTF8, None, None)
        self.library.espeak_Synchronize()
        whole = resample_poly(np.concatenate(self.parts).astype(np.float64), RATE // 50, OWN_RATE // 50)
        loud = np.flatnonzero(np.abs(whole) > 0.01 * np.abs(whole).max())
        spoken = whole[loud[0]:loud[-1] + 1]
        return np.asarray(spoken / np.abs(spoken).max())


def disturbed(spoken: NDArray[np.float64], draw: np.random.Generator) -> NDArray[np.float32]:
    """One second that has the word near its middle, in noise."""
    clip = np.zeros(RATE)
    spoken = spoken[:RATE]
    start = (RATE - len(spoken)) // 2 + int(draw.integers(-RATE // 10, RATE // 10 + 1))
    start = min(max(start, 0), RATE - len(spoken))
    clip[start:start + len(spoken)] = spoken
    white = draw.normal(size=RATE)
    brown = np.cumsum(draw.normal(size=RATE))
    brown -= np.convolve(brown, np.full(801, 1 / 801), "same")
    noise = white / white.std() + draw.uniform(0, 2) * brown / brown.std()
    level = np.sqrt(np.square(spoken).mean()) * 10 ** (-draw.uniform(10, 30) / 20)
    return np.asarray(10 ** (-draw.uniform(3, 20) / 20) * (clip + level * noise / noise.std()), np.float32)


def clips(speaker: Speaker, part: str, draw: np.random.Generator) -> Iterator[tuple[NDArray[np.uint8], int]]:
    """Features and label of every clip of a part."""
    for label, word in enumerate(WORDS):
        for _ in range(CLIPS[part]):
            voice = f"{draw.choice(ACCENTS)}+{draw.choice(VOICES[part])}"
            spoken = speaker.say(word, voice, int(draw.integers(120, 230)), int(draw.integers(20, 80)),
                                 int(draw.integers(20, 80)))
            yield energies(disturbed(spoken, draw)), label


def main(out: Path = FILE) -> None:
    speaker, found = Speaker(), {}
    for number, part in enumerate(CLIPS):
        spoken = list(clips(speaker, part, np.random.default_rng((20, number))))
        made = [spoken[i] for first in range(CLIPS[part]) for i in range(first, len(spoken), CLIPS[part])]  # in turn
        found[f"{part}_pixels"] = np.stack([pixels for pixels, _ in made])
        found[f"{part}_labels"] = np.array([label for _, label in made], np.uint8)
    np.savez_compressed(out, **found)
    print(f"{out}: {out.stat().st_size:,} bytes")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
