"""Spoken words: features against a spectrogram written out, folders like Speech Commands, the stored words."""

import wave

import numpy as np
import pytest
from pydantic import ValidationError

from xbarch.errors import InputError
from xbarch.specs.recipe import Data
from xbarch.workload.images.words import WORDS, words
from xbarch.workload.networks import network

speech = pytest.importorskip("xbarch.compress.images.speech")
LISTED = {"validation_list.txt": ["no/b_1.wav", "yes/b_1.wav"], "testing_list.txt": ["no/c_1.wav", "yes/c_1.wav"]}


def write(path, samples, rate=16_000, channels=1):
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(np.asarray(samples, "<i2").tobytes())


@pytest.fixture
def commands(tmp_path):
    """Two words by three speakers, one of whom says each twice; a folder of noise."""
    draw = np.random.default_rng(0)
    for word in ("yes", "no"):
        for clip in ("a_0", "a_1", "b_1", "c_1"):
            write(tmp_path / word / f"{clip}.wav", draw.integers(-9000, 9000, draw.integers(12_000, 18_000)))
    write(tmp_path / "_background_noise_" / "hum.wav", draw.integers(-99, 99, 40_000))
    for name, lines in LISTED.items():
        (tmp_path / name).write_text("\n".join([*lines, "zebra/x_0.wav"]) + "\n")  # a word left out of this copy
    return tmp_path


def mels(hertz):
    """Slaney's scale: linear up to 1 kHz, then 27 steps for every factor of 6.4."""
    hertz = np.asarray(hertz, float)
    return np.where(hertz < 1000, hertz * 3 / 200, 15 + 27 * np.log(np.maximum(hertz, 1000) / 1000) / np.log(6.4))


def spectrogram(clip):
    """40 triangles of equal area over the powers of 41 Hann windows of 640 samples, 400 apart, in dB."""
    padded = np.concatenate([np.zeros(320), np.resize(clip, 16_000), np.zeros(320)])
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(640) / 640)
    power = np.array([np.abs(np.fft.rfft(window * padded[400 * t:400 * t + 640])) ** 2 for t in range(41)])
    grid = np.linspace(20, 8000, 400_001)
    edges = np.interp(np.linspace(mels(20), mels(8000), 42), mels(grid), grid)
    bins = np.arange(321) * 25
    found = np.empty((41, 40))
    for m in range(40):
        low, middle, high = edges[m:m + 3]
        rise, fall = (bins - low) / (middle - low), (high - bins) / (high - middle)
        found[:, m] = power @ np.maximum(0, np.minimum(rise, fall)) * 2 / (high - low)
    return 10 * np.log10(np.maximum(found, 1e-10))


@pytest.mark.full
def test_features_are_log_mel_energies():
    pytest.importorskip("librosa")
    time = np.arange(16_000) / 16_000
    clip = (0.4 * np.sin(2 * np.pi * (300 + 2000 * time) * time)
            + 0.02 * np.random.default_rng(1).normal(size=16_000)).astype(np.float32)
    found = speech.energies(clip)
    assert found.shape == (1, 41, 40) and found.dtype == np.uint8
    expected = 255 * np.clip((spectrogram(clip) + 60) / 100, 0, 1)
    assert np.abs(found[0] - expected).max() < 0.52
    assert expected.std() > 20


@pytest.mark.full
def test_a_folder_of_speech_commands(commands):
    """Parts by the lists, words by name, features of the very file; what is longer or shorter than a second too."""
    pytest.importorskip("librosa")
    from xbarch.compress.training.data import load

    parts = load(Data(name="speech", path=str(commands)), 0)
    assert [len(p) for p in (parts.train, parts.val, parts.test)] == [4, 2, 2] and parts.classes == 2
    assert parts.train.labels.tolist() == [0, 0, 1, 1] and parts.shape == (1, 41, 40)
    own = speech.energies(speech.read_clip(commands / "yes" / "c_1.wav"))
    assert np.array_equal(parts.test.pixels[1].numpy(), own)


def test_samples_are_shares_of_full_scale(tmp_path):
    write(tmp_path / "x.wav", [0, 2**14, -2**15, 2**15 - 1])
    assert speech.read_clip(tmp_path / "x.wav").tolist() == [0, 0.5, -1, 1 - 2**-15]


@pytest.mark.parametrize(("rate", "channels", "says"), [(8_000, 1, "not 1, 16 and 8,000"),
                                                        (16_000, 2, "not 2, 16 and 16,000")])
def test_other_sound_is_refused(commands, rate, channels, says):
    write(commands / "no" / "a_0.wav", np.zeros(100), rate, channels)
    with pytest.raises(InputError, match=f"a_0.wav: must have 1 channel.*{says}"):
        speech.read_clip(commands / "no" / "a_0.wav")


@pytest.mark.parametrize(("change", "says"), [
    (lambda at: (at / "no" / "c_1.wav").unlink(), "testing_list.txt: names no/c_1.wav, which is not there"),
    (lambda at: (at / "testing_list.txt").unlink(), "testing_list.txt: must list clips"),
    (lambda at: (at / "validation_list.txt").write_text("no/b_1.wav"), "validation clips of every word, not none of y"),
    (lambda at: (at / "testing_list.txt").write_text(""), "must have test clips of every word, not none of no"),
    (lambda at: [p.unlink() for p in (at / "yes").iterdir()] + [(at / "yes").rmdir()], "each of two or more words"),
])
def test_folders_that_lack_something_are_refused(commands, change, says):
    change(commands)
    with pytest.raises(InputError) as error:
        speech.speech(Data(name="speech", path=str(commands)), 0)
    assert says in str(error.value)


def test_what_is_no_sound_is_refused(tmp_path):
    (tmp_path / "x.wav").write_bytes(b"RIFF nothing")
    with pytest.raises(InputError, match=r"x\.wav: is not a WAV file"):
        speech.read_clip(tmp_path / "x.wav")


def test_the_words_that_travel_with_xbarch():
    sizes = []
    for part in words():
        assert part.pixels.shape[1:] == (1, 41, 40) and part.pixels.dtype == np.uint8
        counts = np.bincount(part.labels, minlength=len(WORDS))
        assert len(set(counts.tolist())) == 1
        sizes.append(int(counts[0]))
        spread = part.pixels.reshape(len(part.pixels), -1).std(axis=1)
        assert spread.min() > 5  # none is silence
    assert sizes == [100, 20, 30]
    assert len(np.unique(np.concatenate([p.pixels.reshape(-1, 1640) for p in words()]), axis=0)) == 1500


@pytest.mark.parametrize("given", [{"size": 32, "height": 32}, {"channels": 3}, {"augment": True}])
def test_a_spoken_word_has_one_shape(given):
    with pytest.raises(ValidationError, match="data speech is 1 x 41 x 40"):
        Data(name="speech", **given)


@pytest.mark.train
@pytest.mark.parametrize(("name", "size"), [("keyword_dnn", (41, 40)), ("keyword_cnn", (32, 40))])
def test_networks_have_the_published_layers(name, size):
    """Those that train and those with random weights, which the tests of the latter hold against the papers."""
    from xbarch.compress.intake import models
    from xbarch.compress.intake.trace import trace_model

    published = [la for la in network(name) if la.compute]
    classes = published[-1].filters
    made = trace_model(models.build(name, classes, None, 0, size), (1, *size))
    assert [(la.kernel, la.rows, la.filters, la.out_shape) for la in made.layers if la.compute] == [
        (la.kernel, la.rows, la.filters, la.out_shape) for la in published]
