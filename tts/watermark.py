"""The inaudible watermark: a keyed pattern added to the log-mel before the vocoder, and its detection in any audio.

    mark = Mark.load()
    mel = mark.apply(mel, start_frame, payload)      # [T, 100]; frame numbers count from the start of the utterance
    mark.detect("clip.mp3").verdict                  # "marked", "not found" or "too short"

Because the mark depends on the frame's number alone, speech that is streamed, whole or in a batch is marked alike, at no cost.

Detection is a test with an exact null: the pattern of a key is a linear function of independent normal numbers, so for any
recording made without that key its correlation, divided by its own standard deviation over keys, is a normal number. All
offsets of all windows, and all speeds and pitches that are searched, are tries that the p-value pays for. What remains to be
measured is whether the one public key is an unlucky draw for speech, music or noise (``recipes evaluate watermark``).

"Not found" never says that a person spoke.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import chain
from pathlib import Path

import numpy as np

from tts.base.rng import normal
from tts.payload import N_CARRIERS, SCHEME, Payload, decode, signs
from vocoder.audio.frames import FRAME_RATE, HOP_LENGTH, MEL, N_MELS, SAMPLE_RATE, frames_to_seconds, samples_to_frames

PUBLIC_KEY = 1
PRESENCE = 0.5  # share of the pattern's power that says "marked"; the rest carries the payload
THRESHOLD = 1e-5  # a p-value below it is a mark: false alarms a file
WINDOW, STEP = 300, 75  # frames: 4 s every second
SHORTEST = 1.0  # seconds with sound; in less a mark may be missed
ALONE = 4.0  # deviations that a stretch of a marked file must have by itself
CERTAIN = 0.99  # a payload below it is not told
SPEEDS = [math.exp(step / 100) for step in range(-22, 23) if step]  # 0.8 to 1.25
BATCH = 64  # windows that are searched at once
PIECE = 2048  # frames of evidence that are computed at once
AUDIBLE = -8.0  # natural log of the loudest band of a frame with sound
HOUSE = Path(__file__).parent / "assets" / "watermark"


@dataclass(frozen=True)
class Stretch:
    """A marked stretch of a file."""

    start: float  # seconds
    end: float
    payload: Payload | None  # None: too faint to read
    speed: float = 1.0  # at which the speech is played
    pitch: float = 1.0  # factor of its frequencies


@dataclass(frozen=True)
class Detection:
    """What was found in a file."""

    verdict: str  # "marked", "not found", "too short"
    p_value: float  # that a recording without mark looks as marked as this, everything that was searched counted
    seconds: float
    key_id: str
    stretches: tuple[Stretch, ...] = ()

    @property
    def payload(self) -> Payload | None:
        """Of the longest stretch of which it can be read."""
        read = [s for s in self.stretches if s.payload]
        return max(read, key=lambda s: s.end - s.start).payload if read else None

    def to_dict(self) -> dict:
        """For JSON."""
        rows = [
            {"start": round(s.start, 2), "end": round(s.end, 2), "speed": round(s.speed, 3), "pitch": round(s.pitch, 3),
             "payload": s.payload and {"bits": f"{s.payload.bits:04x}", "scheme": s.payload.scheme, "model": s.payload.model,
                                       "certainty": s.payload.certainty}}
            for s in self.stretches
        ]  # fmt: skip
        return {"verdict": self.verdict, "p_value": self.p_value, "seconds": round(self.seconds, 3), "key_id": self.key_id,
                "stretches": rows}  # fmt: skip


@dataclass(frozen=True)
class Span:
    """Frames of a file, and how they were played if they are marked."""

    first: int
    last: int
    speed: float = 1.0
    pitch: float = 1.0


@dataclass(frozen=True)
class Peak:
    """Where evidence of a span and the pattern fit best."""

    deviations: float  # of the presence carrier
    offset: int  # frame, modulo the period, at which the pattern begins
    span: Span


class Mark:
    """A loaded watermark with a key.

    Args:
        model: The trained shape and detector, ``tts.models.watermark.MarkModel``.
        key: Any integer. Who does not know it finds no mark.
    """

    def __init__(self, model, key: int = PUBLIC_KEY):
        import torch

        self.model, self.key, self.period = model.eval(), key, model.config.period
        self.key_id = "public" if key == PUBLIC_KEY else hashlib.sha256(f"parlance watermark key {key}".encode()).hexdigest()[:8]
        self._white = torch.from_numpy(normal(key, ("watermark", SCHEME), (1 + N_CARRIERS, self.period, N_MELS)))
        self._patterns: dict[int, np.ndarray] = {}

    @classmethod
    def load(cls, folder: str | Path | None = None, key: int = PUBLIC_KEY) -> Mark:
        """Of a model folder; the house watermark when None.

        Raises:
            ModelError: The folder is missing, damaged, or of another kind.
        """
        return _load(Path(folder) if folder else HOUSE, key)

    def pattern(self, payload: int) -> np.ndarray:
        """[L, 100] float32, natural log: what is added to a mel, again and again."""
        import torch

        if payload not in self._patterns:
            with torch.inference_mode():
                sent = torch.from_numpy(signs(payload))[None]
                self._patterns[payload] = self.model.shape(composite(self._white, sent))[0].numpy()
        return self._patterns[payload]

    def apply(self, mel: np.ndarray, start_frame: int = 0, payload: int = SCHEME << 12) -> np.ndarray:
        """Mark a log-mel.

        Args:
            mel: [T, 100], natural log.
            start_frame: Number of its first frame, counted from the start of the utterance.
            payload: ``tts.payload.payload_of(model_id)`` names the model that made the mel.
        """
        frames = (start_frame + np.arange(len(mel))) % self.period
        return np.maximum(np.asarray(mel, np.float32) + self.pattern(payload)[frames], np.float32(math.log(MEL.floor)))

    def facts(self, payload: int) -> dict:
        """What a provenance record says of the mark."""
        return {"applied": True, "scheme": SCHEME, "key_id": self.key_id, "payload": f"{payload:04x}"}

    def detect(self, source, speeds: bool = True) -> Detection:
        """Look for the mark.

        Args:
            source: As of ``vocoder.audio.io.read_blocks``: a path, bytes, a binary file, or (samples, sample rate).
            speeds: Where nothing is found, search speech whose speed, pitch or both were changed, to 0.8 to 1.25.

        Raises:
            NoInputError, DataError, ResourceError: As ``read_blocks``.
        """
        from vocoder.audio.io import read_blocks

        evidence, n_samples, sounding = self.evidence(read_blocks(source))
        peaks, p_value = self._search(evidence, [(1.0, 1.0)], STEP)
        if p_value >= THRESHOLD and speeds:
            played = [way for x in SPEEDS for way in ((x, 1.0), (x, x), (1.0, x))]
            others, p_others = self._search(evidence, played, WINDOW // 2)
            peaks, p_value = (peaks, p_value) if p_value <= p_others else (others, p_others)
            p_value = min(1.0, 2 * p_value)  # two searches
        seconds = n_samples / SAMPLE_RATE
        if p_value < THRESHOLD:
            return Detection("marked", p_value, seconds, self.key_id, tuple(self._stretches(evidence, peaks)))
        return Detection("too short" if sounding < SHORTEST else "not found", p_value, seconds, self.key_id)

    def evidence(self, blocks: Iterable[np.ndarray]) -> tuple[np.ndarray, int, float]:
        """Of samples in blocks [S]: evidence [T, 100], float16 because hours are held; samples; seconds with sound."""
        import torch

        from vocoder.audio.mel import log_mel

        found, n_samples, sounding = [], 0, 0
        for wav, lead in _pieces(blocks, PIECE * HOP_LENGTH, (self.model.config.reach + 2) * HOP_LENGTH):
            wanted = slice(lead // HOP_LENGTH, samples_to_frames(min(len(wav), lead + PIECE * HOP_LENGTH)))
            with torch.inference_mode():
                mel = log_mel(torch.from_numpy(wav)[None])
                found.append(self.model.evidence(mel)[0, wanted].numpy().astype(np.float16))
            n_samples += min(len(wav) - lead, PIECE * HOP_LENGTH)
            sounding += int((mel[0, wanted].amax(1) > AUDIBLE).sum())
        return np.concatenate([np.zeros((0, N_MELS), np.float16), *found]), n_samples, frames_to_seconds(sounding)

    def correlate(self, evidence: np.ndarray, spans: list[Span], carriers: slice = slice(None)) -> np.ndarray:
        """Evidence [T, 100] -> [spans, K, L] standard deviations of carriers at each offset."""
        import torch

        with torch.inference_mode():
            folded = torch.zeros(len(spans), self.period, N_MELS)
            for sums, span in zip(folded, spans, strict=True):
                rows = torch.from_numpy(_rows(span.first, span.last, span.speed) % self.period)
                sums.index_add_(0, rows, torch.from_numpy(evidence[span.first : span.last]).float())
                if span.pitch != 1:
                    sums.copy_(sums @ torch.from_numpy(_bands(span.pitch)))
            return self.model.deviations(folded, self._white[carriers]).numpy()

    def _search(self, evidence: np.ndarray, played: list[tuple[float, float]], step: int) -> tuple[list[Peak], float]:
        """Every window and the whole, at each (speed, pitch): peaks that only a mark explains, and the strongest's p-value."""
        size, peaks = len(evidence), []
        places = [(0, size)] if size else []
        if size > WINDOW:
            places += [(a, min(size, a + WINDOW)) for a in range(0, size - WINDOW + step, step)]
        tried = [Span(*place, *way) for way in played for place in places]
        for i in range(0, len(tried), BATCH):
            scores = self.correlate(evidence, tried[i : i + BATCH], slice(1))[:, 0]
            best = zip(scores.max(1).tolist(), scores.argmax(1).tolist(), tried[i : i + BATCH], strict=True)
            peaks += [Peak(*found) for found in best]
        tries = len(peaks) * self.period
        peaks.sort(key=lambda peak: -peak.deviations)
        p_value = min(1.0, tries * _tail(peaks[0].deviations)) if peaks else 1.0
        return [peak for peak in peaks if tries * _tail(peak.deviations) < THRESHOLD], p_value

    def _stretches(self, evidence: np.ndarray, peaks: list[Peak]) -> list[Stretch]:
        """Where the pattern of each peak really is: the strongest first, until every peak is explained."""
        taken, found = np.zeros(len(evidence), bool), []
        windows = [peak for peak in peaks if peak.span.last - peak.span.first < len(evidence)]
        for peak in windows or peaks:
            span = peak.span
            if taken[span.first : span.last].mean() > 0.5:
                continue
            spans = [replace(span, first=a, last=b) for a, b in _runs(self._marked_frames(evidence, peak) & ~taken)]
            scores = self.correlate(evidence, spans, slice(1))[:, 0, peak.offset] if spans else []
            sure = [each for each, score in zip(spans, scores, strict=True) if score > ALONE]
            for each in sure or ([] if found else [span]):
                taken[each.first : each.last] = True
                read = self._payload(evidence, replace(peak, span=each))
                ends = frames_to_seconds(each.first), frames_to_seconds(each.last)
                found.append(Stretch(*ends, read, span.speed, span.pitch))
            taken[span.first : span.last] = True  # a window is explained once
        return sorted(found, key=lambda stretch: stretch.start)

    def _payload(self, evidence: np.ndarray, peak: Peak) -> Payload | None:
        read = decode(self.correlate(evidence, [peak.span], slice(1, None))[0, :, peak.offset])
        return read if read.certainty >= CERTAIN else None

    def _marked_frames(self, evidence: np.ndarray, peak: Peak) -> np.ndarray:
        """[T] bool: frames about which, over a second, evidence agrees with the pattern at least half as well as in the peak."""
        span, read = peak.span, self._payload(evidence, peak)
        pattern = self.pattern(read.bits) if read else self._presence()
        rows = (_rows(0, len(evidence), span.speed) - peak.offset) % self.period
        evidence = evidence.astype(np.float32)
        around = np.ones(min(int(FRAME_RATE), len(evidence)), np.float32)
        agrees = np.convolve(np.einsum("tm,tm->t", evidence, (pattern @ _bands(span.pitch).T)[rows]), around, "same")
        agrees /= np.sqrt(np.convolve(np.square(evidence).sum(1), around, "same") + 1e-9)
        return _closed(agrees > 0.5 * np.quantile(agrees[span.first : span.last], 0.75), int(FRAME_RATE))

    def _presence(self) -> np.ndarray:
        import torch

        with torch.inference_mode():
            return self.model.shape(self._white[0]).numpy()


def composite(white, sent):
    """Carriers [1 + K, L, 100] with signs [B, K] -> the white noise [B, L, 100], of variance 1, that a mark is shaped from."""
    import torch

    payload = torch.einsum("bk,klm->blm", sent, white[1:]) / sent.shape[1] ** 0.5
    return PRESENCE**0.5 * white[0] + (1 - PRESENCE) ** 0.5 * payload


@lru_cache(maxsize=4)
def _load(folder: Path, key: int) -> Mark:
    from tts.models.watermark import MarkConfig, MarkModel
    from vocoder.nn.checkpoint import build, load_into, load_model
    from vocoder.nn.config import from_dict

    config, tensors = load_model(folder, "watermark")
    model = build(MarkModel, from_dict(MarkConfig, config.get("model"), str(folder)))
    load_into(model, tensors, str(folder))
    return Mark(model, key)


def _pieces(blocks: Iterable[np.ndarray], size: int, margin: int) -> Iterator[tuple[np.ndarray, int]]:
    """Blocks cut anew into ``size`` samples with ``margin`` around them, and how many stand before; multiples of a hop."""
    held, lead = np.zeros(0, np.float32), 0
    for block in chain(blocks, [None]):
        held = held if block is None else np.concatenate([held, block])
        while len(held) - lead >= size + margin or (block is None and len(held) > lead):
            yield held[: lead + size + margin], lead
            keep = max(0, lead + size - margin)
            held, lead = held[keep:], lead + size - keep


def _rows(first: int, last: int, speed: float) -> np.ndarray:
    """Numbers that frames had before they were played at a speed."""
    return np.rint(np.arange(first, last) * speed).astype(np.int64)


@lru_cache(maxsize=256)
def _bands(pitch: float) -> np.ndarray:
    """[100, 100] float32: evidence in bands of speech whose frequencies were multiplied -> in the bands where they were."""
    from vocoder.audio.mel import band_centres

    centres = band_centres()
    return np.stack([np.interp(centres * pitch, centres, row, right=0) for row in np.eye(N_MELS)]).astype(np.float32)


def _tail(deviations: float) -> float:
    """Probability that a normal number is larger."""
    return math.erfc(deviations / math.sqrt(2)) / 2


def _closed(mask: np.ndarray, width: int) -> np.ndarray:
    """Gaps, then runs, shorter than ``width`` are filled and dropped."""
    mask = mask.copy()
    for start, end in _runs(~mask):
        if end - start < width and start > 0 and end < len(mask):
            mask[start:end] = True
    for start, end in _runs(mask):
        if end - start < width // 2:
            mask[start:end] = False
    return mask


def _runs(mask: np.ndarray) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(np.int8), [0]])))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))
