"""Spoken words as images of log-mel energies: folders in the layout of Speech Commands (Warden, arXiv 1804.03209,
2018), or the synthesised words that travel with xbarch.

A clip is one second at 16 kHz. Its image has a row for each of 41 frames and a column for each of 40 mel bands from
20 Hz to 8 kHz, the input of Chen et al., ICASSP 2014. There a frame is 25 ms long and comes every 10 ms; here it is
40 ms long and comes every 25 ms, so that 41 of them are the whole second. Energies of -60 to 40 dB are the levels 0 to
255.
"""

from __future__ import annotations

import wave
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from xbarch.compress.images.parts import Images, Parts
from xbarch.errors import InputError
from xbarch.specs.recipe import SPEECH, Data
from xbarch.specs.text import brief
from xbarch.support.extras import needs
from xbarch.workload.images.words import words

RATE = 16_000  # samples per second, and in a clip
_WINDOW, _HOP = 640, 400  # samples of a frame, and from one to the next
_LOW, _HIGH = 20, 8_000  # Hz
_FLOOR, _CEILING = -60.0, 40.0  # dB
LISTS = ("validation_list.txt", "testing_list.txt")
_LIST_BYTES = 2**24


def speech(spec: Data, seed: int) -> Parts:
    """The clips of a folder, or without one those that travel with xbarch, in the parts that they come in: the speakers
    of each are others."""
    if spec.path is not None:
        return _folder(Path(spec.path))
    train, val, test = (Images(torch.from_numpy(p.pixels), torch.from_numpy(p.labels)) for p in words())
    return Parts(train, val, test, int(test.labels.max()) + 1)


def energies(clip: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Log-mel energies of a clip as levels [1, 41, 40].

    clip: samples from -1 to 1; a longer one is cut after a second, a shorter one is followed by silence.
    """
    with needs("sound", "features of sound"):
        from librosa import power_to_db
        from librosa.feature import melspectrogram

    second = np.zeros(RATE, np.float32)
    second[:len(clip)] = clip[:RATE]
    power = melspectrogram(y=second, sr=RATE, n_fft=_WINDOW, hop_length=_HOP, n_mels=SPEECH[1], fmin=_LOW, fmax=_HIGH)
    share = (power_to_db(power, top_db=None) - _FLOOR) / (_CEILING - _FLOOR)
    return np.asarray(np.rint(255 * share.clip(0, 1)), np.uint8).T[None]


def read_clip(path: Path) -> NDArray[np.float32]:
    """Samples of a WAV file, from -1 to 1.

    Raises:
        InputError: it is no mono file of 16 bits a sample and 16,000 samples a second.
    """
    try:
        with wave.open(str(path), "rb") as file:
            form = (file.getnchannels(), file.getsampwidth(), file.getframerate())
            samples = file.readframes(RATE)
    except (OSError, EOFError, wave.Error) as error:
        raise InputError(f"is not a WAV file that can be read ({brief(error, 80) or type(error).__name__})",
                         file=path) from None
    if form != (1, 2, RATE):
        raise InputError(f"must have 1 channel, 16 bits a sample and 16,000 samples a second, not {form[0]}, "
                         f"{8 * form[1]} and {form[2]:,}", file=path)
    return np.frombuffer(samples, "<i2").astype(np.float32) / np.float32(2**15)


def _folder(place: Path) -> Parts:
    """place/WORD/*.wav; what neither list names trains. Folders that start with _ or . hold no words."""
    names = sorted(p.name for p in place.iterdir() if p.is_dir() and p.name[0] not in "_.") if place.is_dir() else []
    if len(names) < 2:
        raise InputError("must hold a folder of WAV files for each of two or more words", file=place, field="data.path")
    clips = {f"{name}/{clip.name}": label for label, name in enumerate(names)
             for clip in sorted((place / name).glob("*.wav"))}
    validates, tests = (_listed(place / name, clips) for name in LISTS)
    parts = [[c for c in clips if c not in validates and c not in tests], [c for c in clips if c in validates],
             [c for c in clips if c in tests]]
    for part, own in zip(("training", "validation", "test"), parts, strict=True):
        if absent := [name for label, name in enumerate(names) if label not in {clips[c] for c in own}]:
            raise InputError(f"must have {part} clips of every word, not none of {brief(absent[0])}", file=place,
                             field="data.path")
    train, val, test = (_images(place, {c: clips[c] for c in own}) for own in parts)
    return Parts(train, val, test, len(names))


def _listed(file: Path, clips: dict[str, Any]) -> set[str]:
    """The clips that a list names, those of words that have no folder aside."""
    try:
        if file.stat().st_size > _LIST_BYTES:
            raise InputError(f"must have at most {_LIST_BYTES:,} bytes", file=file)
        lines = file.read_text(encoding="utf-8").split()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"must list clips, as WORD/NAME.wav, one a line; it cannot be read ({type(error).__name__})",
                         file=file) from None
    words = {clip.partition("/")[0] for clip in clips}
    if lost := [line for line in lines if line not in clips and line.partition("/")[0] in words]:
        raise InputError(f"names {brief(lost[0])}, which is not there", file=file)
    return {line for line in lines if line in clips}


def _images(place: Path, clips: dict[str, int]) -> Images:
    pixels = np.stack([energies(read_clip(place / clip)) for clip in clips])
    return Images(torch.from_numpy(pixels), torch.tensor(list(clips.values())))
