"""What the watermark survives, how often it is heard where it is not, and what it costs: the experiments behind its tables.

Every sentence is spoken with and without the mark. Marked speech, the same speech unmarked, and recordings go through each
attack, and the detector's own verdict counts (its p-value pays for everything that it searched). The costly attacks (codecs
of this package, vocoder, stretching) are made on every ``every``-th clip.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from recipes.datadir import Utterance
from recipes.evaluate.clips import read_clips, samples, select
from recipes.evaluate.experiments import Result, by, to_16k
from recipes.evaluate.figures import mean_figure, rate_figure
from recipes.progress import track
from tts.base.rng import generator, normal
from tts.payload import payload_of
from tts.watermark import THRESHOLD, Mark, Span
from vocoder.audio.frames import SAMPLE_RATE
from vocoder.audio.io import encode_audio, read_audio, resample

Wav = np.ndarray  # [S] float32 at 24 kHz
MARKED, UNMARKED, NATURAL = "marked", "unmarked", "natural"
WRONG_KEYS = 100


@dataclass(frozen=True)
class Attack:
    name: str
    of: Callable[[Wav, int], Wav]  # samples and the number of the clip
    costly: bool = False
    promised: bool = True  # False: reported only


def attacks(codec, vocoder) -> list[Attack]:
    """Those of the table; ``codec.Codec`` and ``vocoder.api.Vocoder`` are this package's own."""
    from vocoder.audio.f0 import extract_f0
    from vocoder.audio.mel import log_mel

    def coded(books: int) -> Callable[[Wav, int], Wav]:
        return lambda wav, i: codec.decode(codec.encode(wav, SAMPLE_RATE, books), seed=i)

    def through(rate: int) -> Callable[[Wav, int], Wav]:
        return lambda wav, i: resample(resample(wav, SAMPLE_RATE, rate), rate, SAMPLE_RATE)

    def faster(speed: float) -> Callable[[Wav, int], Wav]:
        return lambda wav, i: resample(wav, round(SAMPLE_RATE * speed), SAMPLE_RATE)

    return [
        Attack("none", lambda wav, i: wav),
        Attack("gain -10 dB, inverted", lambda wav, i: -wav * np.float32(10**-0.5)),
        Attack("MP3 64 kbit/s", lambda wav, i: read_audio(encode_audio(wav, SAMPLE_RATE, "mp3", 64))),
        Attack("Opus 24 kbit/s", lambda wav, i: read_audio(encode_audio(wav, SAMPLE_RATE, "opus", 24))),
        Attack("16 kHz and back", through(16_000)),
        Attack("8 kHz and back", through(8_000)),
        Attack("white noise, 20 dB", noisy),
        Attack("cropped to 3 s", lambda wav, i: cropped(wav, i, 3.0)),
        Attack("cropped to 1 s", lambda wav, i: cropped(wav, i, 1.0)),
        Attack("high-pass 1.5 kHz", high_pass),
        *(Attack(f"own codec, {books} books ({0.75 * books:g} kbit/s)", coded(books), True) for books in (8, 4, 3)),
        Attack("own vocoder", lambda wav, i: vocoder.decode(log_mel(wav), extract_f0(wav), seed=i)[: len(wav)], True),
        Attack("1.1 times faster (pitch too)", faster(1.1), True, False),
        Attack("1.1 times faster (pitch kept)", stretched, True, False),
        Attack("a semitone higher", shifted, True, False),
    ]


def noisy(wav: Wav, i: int) -> Wav:
    noise = normal(i, "evaluate watermark", len(wav))
    return (wav + noise * 0.1 * np.sqrt(np.mean(np.square(wav, dtype=np.float64)))).astype(np.float32)


def cropped(wav: Wav, i: int, seconds: float) -> Wav:
    """A piece from a place, in samples, that depends on the clip alone."""
    size = round(seconds * SAMPLE_RATE)
    start = int(generator(i, "crop").integers(0, max(1, len(wav) - size + 1)))
    return wav[start : start + size]


def high_pass(wav: Wav, i: int) -> Wav:
    from scipy.signal import butter, sosfilt

    return sosfilt(butter(6, 1_500, "highpass", fs=SAMPLE_RATE, output="sos"), wav).astype(np.float32)


def stretched(wav: Wav, i: int) -> Wav:
    import librosa

    return librosa.effects.time_stretch(wav, rate=1.1).astype(np.float32)


def shifted(wav: Wav, i: int) -> Wav:
    import librosa

    return librosa.effects.pitch_shift(wav, sr=SAMPLE_RATE, n_steps=1).astype(np.float32)


def survival(spoken: Iterator[tuple[Utterance, Wav, Wav]], recordings: Sequence[Utterance], mark: Mark, model_id: str,
             tried: Sequence[Attack], every: int) -> Result:  # fmt: skip
    """Detection of marked clips, and false alarms on unmarked ones and recordings, after each attack.

    Args:
        spoken: (clip, marked samples, unmarked samples or None).
        recordings: Natural clips.
        model_id: Of the model that spoke.
    """
    payload, records = payload_of(model_id), []

    def judge(kind: str, clip: Utterance, i: int, wav: Wav) -> None:
        for attack in tried:
            if i % every and attack.costly:
                continue
            heard = mark.detect((attack.of(wav, i), SAMPLE_RATE))
            read = heard.payload
            records.append({"clip": clip.id, "kind": kind, "attack": attack.name, "p": heard.p_value,
                            "alarm": heard.verdict == "marked",
                            "payload": None if read is None else read.bits == payload})  # fmt: skip

    for i, (clip, marked, unmarked) in enumerate(spoken):
        judge(MARKED, clip, i, marked)
        if unmarked is not None:
            judge(UNMARKED, clip, i, unmarked)
    for i, clip in enumerate(track(recordings, "recordings")):
        judge(NATURAL, clip, i, samples(clip))
    rows = []
    for attack in tried:
        own = [record for record in records if record["attack"] == attack.name]
        marked = [record for record in own if record["kind"] == MARKED]
        right = [record["payload"] is True for record in marked]
        wrong = sum(record["payload"] is False for record in marked)
        rows.append({"attack": attack.name, "clips": len(marked), "detected": mean_figure([r["alarm"] for r in marked], 1, True),
                     "payload read": mean_figure(right, 1, True), "payload wrong": f"{wrong}",
                     "false alarms, recordings": _alarms(own, NATURAL),
                     "false alarms, own speech unmarked": _alarms(own, UNMARKED),
                     "promised": "yes" if attack.promised else "no"})  # fmt: skip
    return rows, records


def _alarms(records: Sequence[Mapping], kind: str) -> str:
    found = [record["alarm"] for record in records if record["kind"] == kind]
    return f"{sum(found)} of {len(found)}"


def null(sounds: Mapping[str, Iterator[Wav]], mark: Mark) -> Result:
    """Whether the theory's p-values hold: the strongest deviation of each unmarked sound, for the public key and 100 wrong ones.

    A sound's p-value here is of the whole of it at its own speed, for all offsets of the period.
    """
    import torch

    from tts.models.watermark import fold
    from tts.watermark import _tail

    shape = (WRONG_KEYS, mark.period, mark.pattern(0).shape[1])
    wrong = torch.from_numpy(normal(99, "wrong keys", shape))
    records = []
    for name, wavs in sounds.items():
        for wav in track(wavs, name, None):
            evidence, _, _ = mark.evidence([wav])
            own = float(mark.correlate(evidence, [Span(0, len(evidence))], slice(1)).max())
            with torch.inference_mode():
                folded = fold(torch.from_numpy(evidence.astype(np.float32)), mark.period)
                others = mark.model.deviations(folded[None], wrong)[0].amax(1)
            records.append({"sound": name, "own": own, "wrong": [round(float(x), 3) for x in others]})
    rows = []
    for name, figure_records in _grouped(records, "sound"):
        own = np.array([record["own"] for record in figure_records])
        wrong_all = np.array([x for record in figure_records for x in record["wrong"]])
        p = lambda z: np.array([mark.period * _tail(float(x)) for x in z])  # noqa: E731
        rows.append({"sound": name, "clips": len(own), "public key: most deviations": f"{own.max():.2f}",
                     "public key: p < 0.01": f"{100 * (p(own) < 0.01).mean():.2f} %",
                     "wrong keys: trials": f"{len(wrong_all):,}", "wrong keys: most deviations": f"{wrong_all.max():.2f}",
                     "wrong keys: p < 0.01": f"{100 * (p(wrong_all) < 0.01).mean():.2f} %",
                     f"wrong keys: p < {THRESHOLD:g}": f"{(p(wrong_all) < THRESHOLD).sum()}"})  # fmt: skip
    return rows, records


def _grouped(records: Sequence[dict], key: str) -> list[tuple[str, list[dict]]]:
    return [(name, [r for r in records if r[key] == name]) for name in dict.fromkeys(r[key] for r in records)]


def artificial(count: int) -> dict[str, Iterator[Wav]]:
    """Sounds of five seconds that are no speech: chords with a beat, noise, a hum, silence."""
    time = np.arange(5 * SAMPLE_RATE) / SAMPLE_RATE

    def music(i: int) -> Wav:
        rng, wav = generator(i, "music"), np.zeros(len(time))
        for beat in range(10):
            notes = 220 * 2 ** (rng.integers(0, 24, 3) / 12)
            since = time - beat / 2
            loud = np.where(since >= 0, np.exp(-4 * np.clip(since, 0, None)), 0)
            wav += loud * sum(np.sin(2 * np.pi * note * k * time) / k for note in notes for k in (1, 2, 3, 4))
        return (0.2 * wav / np.abs(wav).max()).astype(np.float32)

    return {
        "music-like": (music(i) for i in range(count)),
        "white noise": (0.05 * normal(i, "white", len(time)) for i in range(count)),
        "hum": ((0.1 * np.sin(2 * np.pi * (50 + i) * time)).astype(np.float32) for i in range(count)),
        "silence": (np.zeros(len(time), np.float32) for _ in range(2)),
    }


def spliced(spoken: Sequence[tuple[Wav, Wav]], mark: Mark) -> Result:
    """Marked speech between recordings (natural, marked): whether it is found, and how well its ends are."""
    records = []
    for natural, marked in track(spoken, "spliced"):
        half = len(natural) // 2
        heard = mark.detect((np.concatenate([natural[:half], marked, natural[half:]]), SAMPLE_RATE))
        truth = np.array([half, half + len(marked)]) / SAMPLE_RATE
        found = np.array([[s.start, s.end] for s in heard.stretches]).reshape(-1, 2)
        inside = np.clip(np.minimum(found[:, 1], truth[1]) - np.maximum(found[:, 0], truth[0]), 0, None).sum()
        union = (found[:, 1] - found[:, 0]).sum() + truth[1] - truth[0] - inside
        errors = np.abs(found[:1] - truth).max() if len(found) == 1 else None
        records.append({"detected": heard.verdict == "marked", "iou": float(inside / union), "error": errors and float(errors)})
    known = [record["error"] for record in records if record["error"] is not None]
    rows = [{"clips": len(records), "detected": mean_figure([r["detected"] for r in records], 1, True),
             "overlap / union": mean_figure([r["iou"] for r in records]), "one stretch": f"{len(known)}",
             "error of its worse end, s": mean_figure(known)}]  # fmt: skip
    return rows, records


def cost(spoken: Sequence[tuple[Utterance, Wav, Wav]], phones, recognise, embed, with_dnsmos: bool) -> Result:
    """Marked beside unmarked speech of the same text, voice and seed."""
    from recipes.evaluate.codec import similarity
    from recipes.evaluate.intrusive import mel_distance, pesq_wide, pitch_error
    from recipes.evaluate.naturalness import dnsmos
    from recipes.evaluate.per import phone_edits
    from vocoder.audio.f0 import extract_f0
    from vocoder.audio.mel import log_mel

    records, edits = [], {MARKED: [], UNMARKED: []}
    for clip, marked, unmarked in track(spoken, "cost"):
        reference, plain16, natural = phones(clip), to_16k(unmarked), embed(to_16k(samples(clip)))
        for name, wav in ((UNMARKED, unmarked), (MARKED, marked)):
            wav16 = to_16k(wav)
            edits[name].append(phone_edits(reference, wav, recognise))
            pitch = pitch_error(extract_f0(unmarked), extract_f0(wav))
            records.append({"clip": clip.id, "speech": name, "similarity": similarity(wav16, natural, embed),
                            "dnsmos": dnsmos(wav16).overall if with_dnsmos else None,
                            "pesq": pesq_wide(plain16, wav16) if name == MARKED else None,
                            "mel": mel_distance(log_mel(unmarked), log_mel(wav)) if name == MARKED else None,
                            "cents": pitch.cents if name == MARKED else None})  # fmt: skip
    rows = [
        {"speech": name, "clips": len(spoken), "PESQ wb against unmarked": figure("pesq"), "mel, dB": figure("mel"),
         "F0, cents": figure("cents", 1), "phone error": rate_figure(edits[name]),
         "similarity to the speaker": figure("similarity", 3),
         **({"DNSMOS": figure("dnsmos")} if with_dnsmos else {})}
        for name, figure in by(records, "speech")
    ]  # fmt: skip
    return rows, records


def speak(clips: Sequence[Utterance], house, every: int = 1, longest: float = 6.0) -> Iterator[tuple[Utterance, Wav, Wav | None]]:
    """(clip, marked, unmarked) speech of each clip's text, cut to ``longest`` seconds; unmarked of every ``every``-th only."""
    for i, clip in enumerate(clips):
        request = {"voice": house.voice_of(clip), "language": clip.language, "seed": i}
        most = round(longest * SAMPLE_RATE)
        marked = house.synthesizer.synth(clip.text, **request).samples[:most]
        plain = (
            None if i % every else house.synthesizer.synth(clip.text, **request, watermark=False, reason="test").samples[:most]
        )
        yield clip, marked, plain


def choose(speech, count: int, without: Sequence[str] = ()) -> list[Utterance]:
    """So many clips of 3 to 8 s of all corpora and splits, the same ones every time."""
    clips: dict[str, list[Utterance]] = {}
    for split in ("test", "dev", "train"):
        for corpus, found in read_clips(speech, split).items():
            if corpus not in without:
                clips.setdefault(corpus, []).extend(clip for clip in found if (clip.seconds or 0) >= 3)
    per_corpus = count
    while per_corpus > 1 and sum(min(per_corpus - 1, len(found)) for found in clips.values()) >= count:
        per_corpus -= 1
    return sorted(select(clips, per_corpus, max_seconds=8.0), key=lambda clip: hashlib.sha256(clip.id.encode()).digest())[:count]
