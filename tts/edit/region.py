"""The sound of new words in their sentence, with the true mel around them.

The decoder speaks the whole sentence as it was said but for the new words, so it sees what is before and after; an ``infill``
sees the true mel there, and fills the gap. The vocoder then gets the true mel and pitch of what was said, and between them the
decoder's, brought to the recording's spectrum.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from tts.edit.prosody import Context, Walk, choose
from tts.prosody import is_silent, phone_means
from vocoder.audio.frames import HOP_LENGTH

SENTENCE = 80  # phones of context on either side, at most
EDGE = 8  # frames of silence at a cut end of a sentence
AROUND = 40  # frames on either side that the vocoder gets beside the new ones
MELT = 6  # frames over which a difference at the border fades
LEAST, MOST = -12.0, 2.0  # of the equaliser, natural log


@dataclass(frozen=True, eq=False)
class Speaker:
    """The models, in the voice of the recording."""

    plan: Callable  # phones -> PhonePlan
    infer: Callable  # phones, PhonePlan, noise key, true mel [T, 100], bool [T] where it is kept -> (mel [T, 100], F0 [T])
    decode: Callable  # mel, F0, seed, stream -> float32 [320 T]
    codes_of: Callable | None = None  # mel, durations -> prosody codes [N], of a model that has them
    draw: Callable | None = None  # phones, known PhonePlan, sought [N], key, n -> tts.sampler.Candidate of a prosody model
    mark: Callable | None = None  # mel [T, 100] -> the same with the watermark

    @classmethod
    def of(cls, acoustic, vocoder, voice, folder) -> Speaker:
        """Loaded models, ``voice`` a :class:`tts.models.variance.VoiceTensors`.

        An acoustic model that speaks by prosody codes gets the language model over them that stands beside ``folder``, or the
        house one, if it fits; without one, prosody is that of other acoustic models.
        """
        import torch

        from tts.api import codes_of
        from tts.base.errors import ModelError, UnavailableError

        def plan(phones):
            with torch.inference_mode():
                return acoustic.variance.plan(phones, voice)

        def infer(phones, plan, noise, mel, kept):
            around = {"context": (mel, kept)} if acoustic.kind == "infill" else {}
            return (x.numpy() for x in acoustic.infer(phones, voice, plan, noise=noise, **around)[:2])

        def draw(phones, known, sought, key, n):
            return sampler.plans(phones, voice, key, n=n, known=known, sought=sought)

        read = codes_of(acoustic)
        if read is not None:
            from tts.sampler import ProsodySampler, find

            try:
                sampler = ProsodySampler.load(find(folder, "causal"), acoustic)
            except (ModelError, UnavailableError):
                read = None
        return cls(plan, infer, vocoder.decode, *((None, None) if read is None else (read, draw)))


@dataclass(frozen=True, eq=False)
class Recording:
    """What is heard, brought to the level that the models know."""

    gain: float  # of the samples, that brought them there
    mel: np.ndarray  # [T, 100]
    f0: np.ndarray  # [T] Hz
    ends: np.ndarray  # [N + 1] frames
    pitch: np.ndarray  # [N] log Hz
    energy: np.ndarray  # [N] mean log-mel
    floor: np.ndarray  # [100] log-mel of its quietest twentieth: microphone and room
    codes: np.ndarray | None = None  # [N] prosody codes

    @classmethod
    def of(cls, wav: np.ndarray, aligned, codes_of: Callable | None = None) -> Recording:
        """Of [S] float32 at 24 kHz and its :class:`tts.alignment.Aligned`."""
        from tts.voice import to_level
        from vocoder.audio.mel import log_mel
        from vocoder.audio.pitch import track_pitch

        peak = int(np.argmax(np.abs(wav)))
        level = to_level(wav)
        gain = float(level[peak] / wav[peak])
        mel = log_mel(level)
        pitch, energy = phone_means(level, mel, aligned.durations)
        loudness = mel.mean(1)
        quiet = mel[loudness <= np.quantile(loudness, 0.05)]
        codes = None if codes_of is None else np.asarray(codes_of(mel, aligned.durations))
        return cls(gain, mel, track_pitch(level), aligned.ends, pitch, energy, quiet.mean(0), codes)


@dataclass(frozen=True, eq=False)
class Drawn:
    """The sound of a region: [S] at 24 kHz and at the level of the recording, with context on both sides."""

    wav: np.ndarray
    span: tuple[int, int]  # samples of the new phones
    score: float
    scores: tuple[float, ...]


def draw_region(speaker: Speaker, recording: Recording, change, number: int, candidates: int, seed: int) -> Drawn:
    """Say one region of a :class:`tts.edit.text.Rewrite` anew."""
    region = change.regions[number]
    phones, source, start, end = window(change, *region.new)
    plan = speaker.plan(phones)
    context = heard(phones, source, plan, recording, start, end)
    walk, key = Walk(context), ("edit", number)
    if speaker.draw is None:
        values, score, scores = choose(walk, candidates, seed, key)
    else:
        known = planned(plan, context, walk.draw(1, seed, key)[0], source, recording)
        known = replace(known, codes=np.where(source >= 0, recording.codes[source], -1))
        sought = (np.arange(len(source)) >= start) & (np.arange(len(source)) < end)
        drawn = speaker.draw(phones, known, sought, (seed, *key), candidates)
        scores = [candidate.score for candidate in drawn]
        score, plan = max(scores), drawn[int(np.argmax(scores))].plan
        values = np.where(context.known[:, None], context.heard, logs(plan) + context.offset())
    plan = planned(plan, context, values, source, recording)
    frames, borders = frame_sources(plan.durations, source, recording.ends), np.concatenate([[0], np.cumsum(plan.durations)])
    mel, f0 = speaker.infer(phones, plan, (seed, number), recording.mel[frames], frames >= 0)
    mel = matched(np.asarray(mel), frames, np.repeat(is_silent(phones.ids), plan.durations), recording)
    f0 = np.where(frames >= 0, recording.f0[frames], np.asarray(f0)).astype(np.float32)
    a, b = int(borders[start]), int(borders[end])
    if speaker.mark is not None:
        mel[a:b] = speaker.mark(mel[a:b])
    first, last = max(0, a - AROUND), min(len(mel), b + AROUND)
    wav = speaker.decode(mel[first:last], f0[first:last], seed, ("edit", number))
    span = ((a - first) * HOP_LENGTH, (b - first) * HOP_LENGTH)
    return Drawn(wav / recording.gain, span, score, tuple(scores))


def window(change, start: int, end: int):
    """The sentence around phones [start, end): (Phones, source [n], start, end in it), with silence at both ends."""
    from frontend.inventory import COMMA, SIL, WB

    phones, source = change.phones, change.source
    stops = np.flatnonzero((phones.ids > COMMA) & is_silent(phones.ids))  # of a sentence
    places = np.flatnonzero(is_silent(phones.ids))
    before, after = places[places < start], places[places >= end]
    near, far = before[before >= start - SENTENCE], after[after < end + SENTENCE]
    first = int(near[0]) if len(near) else start
    last = int(far[-1]) + 1 if len(far) else end
    behind, ahead = stops[stops < start], stops[stops >= end]
    first = max(first, int(behind[-1]) + 1) if len(behind) else first
    last = min(last, int(ahead[0]) + 1) if len(ahead) else last
    first += int(first < start and phones.ids[first] == WB)
    last -= int(last > end and phones.ids[last - 1] == WB)
    last += int(last < len(source) and phones.ids[last] == SIL)  # the recording's own
    ids, kept = phones.ids[first:last], source[first:last]
    head, tail = int(ids[0] != SIL), int(ids[-1] != SIL)
    rows = np.concatenate([[first] * head, np.arange(first, last), [last - 1] * tail]).astype(int)
    ids = np.concatenate([[SIL] * head, ids, [SIL] * tail]).astype(np.int16)
    styles, langs = phones.styles[rows].copy(), phones.langs[rows]
    for row in [0] * head + [len(rows) - 1] * tail:
        styles[row] = phones.styles[0]  # of silence
    kept = np.concatenate([[-1] * head, kept, [-1] * tail]).astype(np.int64)
    clause = replace(phones, ids=ids, styles=styles, langs=langs, spans=phones.spans[rows])
    return clause, kept, start - first + head, end - first + head


def heard(phones, source: np.ndarray, plan, recording: Recording, start: int, end: int) -> Context:
    """What is known of a sentence: the recording's values where its phones were kept."""
    durations = np.diff(recording.ends)
    known = (source >= 0) & (durations[source] > 0)
    values = [np.log(np.maximum(durations, 1))[source], recording.pitch[source], recording.energy[source]]
    heard_values = np.where(known[:, None], np.stack(values, 1), 0.0)
    return Context(~is_silent(phones.ids), known, heard_values, logs(plan), start, end)


def logs(plan) -> np.ndarray:
    """The values of a PhonePlan as :class:`Context` has them, [N, 3]."""
    return np.stack([np.log(np.maximum(plan.durations, 1)), np.log(plan.pitch), plan.energy], 1).astype(np.float64)


def planned(plan, context: Context, values: np.ndarray, source: np.ndarray, recording: Recording):
    """A PhonePlan of chosen values; kept phones last as they did, pauses among new words as predicted."""
    durations = np.diff(recording.ends)
    frames = np.where(context.spoken, np.maximum(np.rint(np.exp(values[:, 0])), 1), plan.durations)
    frames = np.where(source >= 0, durations[source], frames).astype(np.int64)
    for edge in (0, -1):
        if source[edge] < 0 and not context.spoken[edge]:
            frames[edge] = EDGE
    return replace(plan, durations=frames, pitch=np.exp(values[:, 1]).astype(np.float32), energy=values[:, 2].astype(np.float32))


def frame_sources(durations: np.ndarray, source: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """[T] frame of the recording that each frame of a sentence is, -1 for a new one."""
    rows = [ends[s] + np.arange(d) if s >= 0 else np.full(d, -1) for d, s in zip(durations, source, strict=True)]
    return np.concatenate(rows).astype(np.int64)


def matched(mel: np.ndarray, frames: np.ndarray, silent: np.ndarray, recording: Recording) -> np.ndarray:
    """The true mel where there is one; elsewhere the decoder's, through the recording's equaliser and above its noise.

    Args:
        mel: [T, 100] of the decoder; frames: [T] as of :func:`frame_sources`; silent: bool [T].
    """
    kept = frames >= 0
    true = recording.mel[frames]
    spoken = kept & ~silent
    if spoken.any():
        mel = mel + np.clip((true - mel)[spoken].mean(0), LEAST, MOST)
    mel = np.maximum(mel, recording.floor)
    mixed = np.where(kept[:, None], true, mel)
    edges = np.flatnonzero(np.diff(kept.astype(int)))
    for edge in edges:  # frames edge and edge + 1: one is kept, one is new
        inside, step = (edge + 1, 1) if kept[edge] else (edge, -1)
        nearest = edge if kept[edge] else edge + 1
        beside = [t for t in range(nearest, nearest - 3 * step, -step) if 0 <= t < len(mel) and kept[t]]
        difference = np.clip((true - mel)[beside].mean(0), -MOST, MOST)
        for i in range(MELT):
            t = inside + step * i
            if not 0 <= t < len(mel) or kept[t]:
                break
            mixed[t] += difference * (1 - (i + 0.5) / MELT)
    return mixed.astype(np.float32)
