"""What a cloned voice's report is worth: warnings and refusals over recordings that are spoilt in known ways.

Every recording goes through ``Voice.from_audio`` as a user's would; the rows count what was said about it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from recipes.evaluate.clips import by_speaker, samples
from tts.base.errors import DataError
from vocoder.audio.frames import HOP_LENGTH, SAMPLE_RATE

WARNINGS = ("noisy", "clipped", "narrow", "reverberant", "speakers", "words")
HALF = 5.0  # seconds of each of two speakers


def noise(rng: np.random.Generator, n: int, colour: str = "white") -> np.ndarray:
    """[n] of unit power; ``pink`` falls by 3 dB an octave."""
    white = rng.standard_normal(n)
    if colour == "white":
        return white
    spectrum = np.fft.rfft(white) / np.sqrt(np.maximum(np.arange(n // 2 + 1), 1))
    pink = np.fft.irfft(spectrum, n)
    return pink / pink.std()


def with_noise(wav: np.ndarray, db: float, rng, colour: str = "white") -> np.ndarray:
    """Noise ``db`` below the active speech (blocks within 30 dB of the loudest)."""
    n = len(wav) // 480 * 480
    power = np.mean(wav[:n].reshape(-1, 480) ** 2, axis=1)
    active = np.sqrt(power[power > power.max() * 1e-3].mean())
    return (wav + noise(rng, len(wav), colour) * active * 10 ** (-db / 20)).astype(np.float32)


def in_room(wav: np.ndarray, seconds: float, direct_db: float, rng) -> np.ndarray:
    """Through noise that dies away by 60 dB in ``seconds``, ``direct_db`` below the direct sound in all."""
    time = np.arange(int(SAMPLE_RATE * seconds * 1.1)) / SAMPLE_RATE
    tail = rng.standard_normal(len(time)) * 10 ** (-3 * time / seconds) * (time > 0.003)
    response = tail * 10 ** (-direct_db / 20) / np.sqrt((tail**2).sum())
    response[0] = 1.0
    n = len(wav) + len(response)
    wet = np.fft.irfft(np.fft.rfft(wav, n) * np.fft.rfft(response, n), n)[: len(wav) + SAMPLE_RATE // 5]
    return (0.9 * wet / np.abs(wet).max()).astype(np.float32)


def narrow(wav: np.ndarray, rate: int) -> np.ndarray:
    """As over a line of so many samples a second, 16 bit."""
    from vocoder.audio.io import resample

    line = np.round(resample(wav, SAMPLE_RATE, rate) * 32767) / 32767
    return resample(line.astype(np.float32), rate, SAMPLE_RATE)


def clipped(wav: np.ndarray, db: float) -> np.ndarray:
    top = np.abs(wav).max() * 10 ** (-db / 20)
    return np.clip(wav, -top, top)


def spoilt(wav: np.ndarray, rng) -> Iterator[tuple[str, np.ndarray]]:
    """(condition, recording) of one clip."""
    yield "as it is", wav
    for db in (25, 20, 15, 10):
        yield f"white noise, {db} dB", with_noise(wav, db, rng)
    yield "pink noise, 15 dB", with_noise(wav, 15, rng, "pink")
    for db in (3, 6, 10):
        yield f"clipped {db} dB below its peak", clipped(wav, db)
    for rate in (8000, 11_025):
        yield f"sampled at {rate} Hz", narrow(wav, rate)
    for seconds, direct in ((0.3, 5), (0.5, 5), (0.8, 0)):
        yield f"room of {seconds:g} s, direct sound {direct:+d} dB", in_room(wav, seconds, direct, rng)


def dialogues(clips: Sequence, rng) -> Iterator[tuple[str, np.ndarray]]:
    """Ten seconds of one speaker, and of two, five seconds each; every speaker with two more."""
    people = {name: np.concatenate([samples(clip) for clip in own[:6]]) for name, own in by_speaker(clips).items()}
    half = int(HALF * SAMPLE_RATE)
    people = {name: wav for name, wav in people.items() if len(wav) >= 2 * half}
    for name, wav in people.items():
        yield "one speaker, 10 s", wav[: 2 * half]
        others = [other for other in people if other != name]
        for other in rng.choice(others, min(2, len(others)), replace=False):
            yield "two speakers, 5 s each", np.concatenate([wav[:half], people[other][half : 2 * half]])


def sounds(rng, seconds: float = 8.0) -> Iterator[tuple[str, np.ndarray]]:
    """Made sounds without speech: tones, machines, melodies with and without gaps, drums, noise."""
    t = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE

    def buzz(hertz):
        return sum(np.sin(2 * np.pi * hertz * k * t) / k for k in range(1, 8))

    def melody(gaps, voices=1):
        out = np.zeros(len(t))
        for _ in range(voices):
            notes = np.repeat(220 * 2 ** (rng.integers(-9, 13, 32) / 12), len(t) // 32)
            phase = 2 * np.pi * np.cumsum(np.pad(notes, (0, len(t) - len(notes)), mode="edge")) / SAMPLE_RATE
            out += sum(np.sin(k * phase) / k for k in range(1, 8)) * np.exp(-((t * 32 / seconds) % 1) * 2)
        return out * ((t * 3.3 % 3) < 2) if gaps else out

    beats = noise(rng, len(t)) * np.exp(-(t * 4 % 1) * 12)
    yield from (("tone or hum", buzz(hertz)) for hertz in (50, 110, 220, 440))
    yield from (("hum that comes and goes", buzz(hertz) * np.sin(6 * t)) for hertz in (110, 150, 220))
    yield from (("melody", melody(False)) for _ in range(6))
    yield from (("melody with gaps", melody(True)) for _ in range(6))
    yield from (("chords and drums with gaps", melody(True, 3) + beats) for _ in range(6))
    yield "drums", beats
    yield from (("noise", noise(rng, len(t), colour)) for colour in ("white", "pink"))
    yield "noise that comes and goes", noise(rng, len(t)) * (1 + np.sin(2 * np.pi * 4 * t))


def report_rows(clips: Sequence, talkers: Sequence, seed: int = 0) -> tuple[list[dict], list[dict]]:
    """(rows, records): of each condition the share of recordings that were refused, and that got each warning.

    ``clips`` are spoilt; of the clips ``talkers`` recordings of one and of two speakers are joined.
    """
    from tts.voice import Voice

    rng = np.random.default_rng(seed)
    records = []

    def hear(condition, wav, name):
        try:
            peak = max(1.0, float(np.abs(wav).max()))
            report = Voice.from_audio((np.asarray(wav / peak, np.float32), SAMPLE_RATE), consent="evaluation; corpus; now").report
            records.append({"condition": condition, "clip": name, **report.to_dict(), "refused": False})
        except DataError as error:
            records.append({"condition": condition, "clip": name, "refused": True, "code": error.code})

    for clip in clips:
        for condition, wav in spoilt(samples(clip), rng):
            hear(condition, wav, clip.id)
    for condition, wav in dialogues(talkers, rng):
        hear(condition, wav, "")
    for condition, wav in sounds(rng):
        hear(condition, 0.3 * wav / np.abs(wav).max(), "")
    rows = []
    for condition in dict.fromkeys(record["condition"] for record in records):
        own = [record for record in records if record["condition"] == condition]
        heard = [record for record in own if not record["refused"]]
        told = [{code for code, _ in record["warnings"]} for record in heard]
        row = {"condition": condition, "recordings": len(own), "refused": f"{1 - len(heard) / len(own):.0%}"}
        row |= {code: f"{np.mean([code in codes for codes in told]):.0%}" if heard else "" for code in WARNINGS}
        row["speech over noise, median dB"] = round(float(np.median([r["snr_db"] for r in heard])), 1) if heard else None
        rows.append(row)
    return rows, records


def activity_rows(clips: Sequence, seed: int = 0) -> list[dict]:
    """Voice activity under noise: truth is where the clean clip, cut in two with 1.5 s of silence around the halves, lies within
    32 dB of its loud frames, pauses up to 0.3 s included."""
    from vocoder.audio.activity import BAND, BRIDGE, dilate, find_speech, runs_of, spectrum_power
    from vocoder.audio.pitch import track_pitch

    rng, silence, counts = np.random.default_rng(seed), np.zeros(int(1.5 * SAMPLE_RATE), np.float32), {}
    for clip in clips:
        wav = samples(clip)
        half = len(wav) // 2 // HOP_LENGTH * HOP_LENGTH
        wav = np.concatenate([silence, wav[:half], silence, wav[half:], silence])
        level = 10 * np.log10(spectrum_power(wav)[:, BAND].sum(1) + 1e-12)
        loud = level > np.percentile(level, 95) - 32
        truth = runs_of(~runs_of(~loud, BRIDGE, ends=True), 3)
        for colour in ("white", "pink"):
            for db in (60, 20, 15, 10, 5):
                noisy = with_noise(wav, db, rng, colour)
                found = find_speech(spectrum_power(noisy), track_pitch(noisy)).speech
                outside = ~dilate(truth, 4)
                count = counts.setdefault((colour, db), np.zeros(4))
                count += (found & truth).sum(), truth.sum(), (found & outside).sum(), outside.sum()
    return [
        {"noise": f"{colour}, {db} dB", "speech found": f"{c[0] / c[1]:.1%}", "pause taken for speech": f"{c[2] / c[3]:.1%}"}
        for (colour, db), c in counts.items()
    ]
