"""Listening to recordings: the speech in them is kept and levelled, faults are told, and what is no speech is refused."""

import io
import tracemalloc

import numpy as np
import pytest

from recipes.evaluate.references import clipped, in_room, narrow, sounds, with_noise
from tts.base.errors import DataError, NoInputError, TtsError, UsageError
from tts.listen import LONGEST_REFERENCE, _Piece, choose, listen, read_start, to_level
from vocoder.audio.io import encode_audio, write_audio
from vocoder.audio.mel import log_mel
from vocoder.audio.wavfile import wav_header

RATE = 24_000


def codes(*recordings):
    return [code for code, _ in listen([(wav, RATE) for wav in recordings]).report.warnings]


@pytest.fixture(scope="module")
def speech(spoken):
    return spoken["kathleen"]


# What is refused


def nan(wav):
    wav = wav.copy()
    wav[777] = np.nan
    return wav


def inf(wav):
    wav = wav.copy()
    wav[-1] = np.inf
    return wav


HOSTILE = {
    "silence": (lambda wav: (0 * wav, RATE), DataError, "audio.silent"),
    "digital silence with clicks": (lambda wav: ((np.arange(len(wav)) % 24_000 == 0).astype(np.float32), RATE), DataError, None),
    "0.2 s": (lambda wav: (wav[RATE : RATE + RATE // 5], RATE), DataError, "audio.too_short"),
    "no samples": (lambda wav: (wav[:0], RATE), DataError, "audio.empty"),
    "NaN": (lambda wav: (nan(wav), RATE), DataError, "audio.not_finite"),
    "infinity": (lambda wav: (inf(wav), RATE), DataError, "audio.not_finite"),
    "huge numbers": (lambda wav: (1e30 * wav, RATE), DataError, "audio.peak"),
    "no rate": (lambda wav: wav, UsageError, "audio.no_rate"),
    "rate of words": (lambda wav: (wav, "24000"), UsageError, "audio.type"),
    "rate 0": (lambda wav: (wav, 0), DataError, "audio.header.sample_rate"),
    "rate NaN": (lambda wav: (wav, float("nan")), DataError, "audio.header.sample_rate"),
    "words as samples": (lambda wav: (["a", "b"], RATE), UsageError, "audio.type"),
    "ragged samples": (lambda wav: ([[1.0], [1.0, 2.0]], RATE), UsageError, "audio.type"),
    "complex samples": (lambda wav: (wav * 1j, RATE), UsageError, "audio.type"),
    "a cube": (lambda wav: (np.zeros((3, 3, 3)), RATE), DataError, "audio.header.channels"),
    "a number": (lambda wav: 5, UsageError, "audio.type"),
    "nothing": (lambda wav: None, UsageError, "audio.type"),
    "a dict": (lambda wav: {"wav": wav}, UsageError, "audio.type"),
    "text in bytes": (lambda wav: b"hello, I am no sound", DataError, "audio.format"),
    "no bytes": (lambda wav: b"", DataError, "audio.empty"),
    "a cut file": (lambda wav: encode_audio(wav, RATE, "wav")[:-1000], DataError, "audio.header.data_exceeds_file"),
    "a name with NUL": (lambda wav: "a\0b.wav", NoInputError, "audio.unreadable"),
    "an endless device": (lambda wav: "/dev/zero", NoInputError, "audio.device"),
    "a folder": (lambda wav: "/", NoInputError, "audio.unreadable"),
    "a missing file": (lambda wav: "missing.wav", NoInputError, "audio.unreadable"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_recording_is_a_clear_error(speech, case):
    make, kind, code = HOSTILE[case]
    with pytest.raises(kind) as caught:
        listen([make(speech)])
    assert isinstance(caught.value, TtsError) and len(caught.value.what) > 10 and code in (None, caught.value.code)


@pytest.mark.parametrize("sound", ["tone or hum", "hum that comes and goes", "drums", "noise", "noise that comes and goes"])
def test_sound_without_speech_is_refused(sound):
    made = [wav for name, wav in sounds(np.random.default_rng(0)) if name == sound]
    for wav in made[:2]:
        with pytest.raises(DataError) as caught:
            listen([(0.3 * wav / np.abs(wav).max(), RATE)])
        assert caught.value.code == "voice.no_speech" and caught.value.fix


def test_one_bad_recording_among_good_ones_is_named(speech, tmp_path):
    write_audio(tmp_path / "good.wav", speech, RATE)
    write_audio(tmp_path / "silent.wav", 0 * speech, RATE)
    with pytest.raises(DataError, match="silent") as caught:
        listen([tmp_path / "good.wav", tmp_path / "silent.wav"])
    assert caught.value.where == str(tmp_path / "silent.wav")


def test_too_many_recordings_are_refused(speech):
    with pytest.raises(UsageError, match="64 at most"):
        listen([(speech, RATE)] * 65)


# What is warned of


def test_good_recordings_give_no_warning(spoken):
    for wav in spoken.values():
        assert codes(wav) == []


def test_each_fault_is_told(speech):
    rng = np.random.default_rng(0)
    assert codes(speech[: int(1.6 * RATE)]) == ["short"]
    assert "noisy" in codes(with_noise(speech, 12, rng))
    assert codes(clipped(speech, 8)) == ["clipped"]
    assert codes(narrow(speech, 8000)) == ["narrow"]
    assert "reverberant" in codes(in_room(speech, 0.7, 2, rng))


def test_with_several_recordings_the_warning_names_which(speech, tmp_path):
    write_audio(tmp_path / "good.wav", speech, RATE)
    write_audio(tmp_path / "phone.wav", narrow(speech, 8000), RATE)
    (warning,) = listen([tmp_path / "good.wav", tmp_path / "phone.wav"]).report.warnings
    assert warning[0] == "narrow" and warning[1].startswith(f"{tmp_path / 'phone.wav'}: nothing above 3")


def test_hours_are_read_to_the_limit_in_little_memory(speech, tmp_path):
    """A WAV file of 3.5 hours, larger than what may be held: two minutes of speech, then zeros that take no disk."""
    start = encode_audio(np.tile(speech, 20)[: 125 * RATE], RATE, "wav")
    size = int(3.5 * 3600) * RATE * 2
    with open(tmp_path / "long.wav", "wb") as file:
        file.write(wav_header(RATE, size // 2) + start[44:])
        file.truncate(44 + size)
    tracemalloc.start()
    heard = listen([tmp_path / "long.wav"])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert heard.report.seconds == 120 and [code for code, _ in heard.report.warnings] == ["long"]
    assert len(heard.mel) == LONGEST_REFERENCE and peak < 300e6


def test_reading_stops_where_it_may(speech):
    class Counted(io.BytesIO):
        taken = 0

        def read(self, size=-1):
            data = super().read(size)
            self.taken += len(data)
            return data

    file = Counted(encode_audio(np.tile(speech, 20), RATE, "wav"))
    wav, more = read_start(file, 5)
    assert more and len(wav) == 5 * RATE
    wav, more = read_start((speech, RATE), 100)
    assert not more and np.array_equal(wav, speech)


# What is kept


def test_pauses_inside_are_left_out(speech):
    half, gap = len(speech) // 2, np.zeros(3 * RATE, np.float32)
    rng = np.random.default_rng(0)
    wav = np.concatenate([gap, speech[:half], gap, speech[half:], gap])
    wav = wav + 1e-4 * rng.standard_normal(len(wav)).astype(np.float32)
    heard = listen([(wav, RATE)])
    assert heard.report.seconds == pytest.approx(len(wav) / RATE, abs=1e-3)
    assert 0.85 < heard.report.kept / (len(speech) / RATE) < 1.1
    assert len(heard.borders) >= 1 and len(heard.f0) == len(heard.mel) and max(heard.borders) < len(heard.mel)


def test_the_level_of_a_recording_makes_no_difference(speech):
    quiet, loud = (listen([(gain * speech / np.abs(speech).max(), RATE)]) for gain in (0.03, 0.9))
    assert quiet.mel.shape == loud.mel.shape and quiet.borders == loud.borders
    assert np.abs(quiet.mel - loud.mel)[loud.mel > -6].mean() < 0.02
    assert loud.report.level_db - quiet.report.level_db == pytest.approx(20 * np.log10(30), abs=0.1)


def test_the_clean_part_of_a_long_recording_is_chosen(speech):
    """Forty seconds, the first half under noise: the thirty that are kept hold all of the clean half."""
    rng = np.random.default_rng(0)
    clean = np.tile(speech, 5)[: 20 * RATE]
    heard = listen([(np.concatenate([with_noise(clean, 8, rng), clean]), RATE)])
    alone = listen([(clean, RATE)])
    assert len(heard.mel) == LONGEST_REFERENCE
    quiet = lambda mel: np.percentile(mel[:, 60:].mean(1), 20)  # noqa: E731  bands above 4 kHz, in soft frames
    last = heard.mel[-len(alone.mel) + 150 :]
    assert abs(quiet(last) - quiet(alone.mel)) < 0.5 < quiet(heard.mel[:500]) - quiet(last)


def test_choose_takes_the_best_in_order_and_cuts_the_last():
    pieces = [_Piece(0, 0, 200, 0.5), _Piece(0, 300, 500, 0.9), _Piece(1, 0, 200, 0.8), _Piece(1, 400, 440, 0.7)]
    assert [(p.recording, p.start, p.end) for p in choose(pieces, 500)] == [(0, 300, 500), (1, 0, 200), (1, 400, 440)]
    kept = choose(pieces, 560)
    assert (kept[0].recording, kept[0].start, kept[0].end) == (0, 0, 120) and sum(p.end - p.start for p in kept) == 560
    assert choose([], 100) == []


def test_active_speech_is_brought_to_minus_23_db_without_clipping(speech):
    wav = to_level(np.pad(0.01 * speech, 3 * RATE))
    active = wav[3 * RATE : -3 * RATE]
    assert 20 * np.log10(np.sqrt(np.mean(active**2))) == pytest.approx(-23, abs=2)
    click = np.zeros(RATE, np.float32)
    click[::480] = 1e-3
    assert np.abs(to_level(click)).max() <= 0.991
    assert log_mel(to_level(np.zeros(480, np.float32))).max() < -11
