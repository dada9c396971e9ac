"""Voice conversion: what a recording says, and how, in another voice.

    samples ──▶ mel ──recogniser──▶ content ─┐
       └──────▶ F0, energy, moved to the ────┴─adapter──▶ conditions ──decoder(voice)──▶ mel ──vocoder(F0)──▶ samples
                register of the voice

Timing, pitch contour and loudness are those of the recording, its length to the sample too; no text is needed. Hours go
through in the memory of a piece: pieces are cut where it is quiet, and computed with as many frames on both sides as can
reach them. With its text a recording is aligned instead, and the phones take the place of what the recogniser heard.

Source: recognition-synthesis conversion; see ``tts/models/content.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from tts.base.errors import DataError, ModelError, UsageError
from tts.speech import Speech, join
from vocoder.audio.frames import HOP_LENGTH, SAMPLE_RATE

HEAD = 300  # seconds at the beginning that pitch and level of the speaker are measured on
PIECE, SHORTEST = 1200, 450  # frames of a piece: at most 16 s, at least 6 s where more follows
CONTEXT = 80  # frames on both sides that reach a frame: recogniser 16, adapter 9, decoder 18, vocoder 32
JOIN = 240  # samples (10 ms) over which a piece goes over into the next
MOST_GAIN = 40.0  # dB
F0_LOW, F0_HIGH = 50.0, 700.0  # Hz that are spoken
NEUTRAL = "ðə wˈɛðɚ wʌz mˈaɪld ænd klˈiɹ wɛn wi wˈɔkt hˈoʊm əlˈɔŋ ðə ɹˈɪvɚ"  # what a voice's register is asked with


@dataclass(frozen=True)
class Source:
    """What was measured on the beginning of a recording."""

    gain: float  # factor to the level of training
    log_f0: float | None  # median of natural log Hz over voiced frames; None: nothing is voiced

    @classmethod
    def measure(cls, wav: np.ndarray) -> Source:
        """Of [S] at 24 kHz.

        Raises:
            DataError: there is no sound.
        """
        from tts.listen import gain_to_level
        from vocoder.audio.pitch import track_pitch

        peak = float(np.abs(wav).max(initial=0.0))
        if peak < 1e-4:
            raise DataError("holds no sound above -80 dBFS.", code="convert.silent", fix="Check the recording's level.")
        gain = min(float(gain_to_level(wav)), 10 ** (MOST_GAIN / 20))
        f0 = track_pitch(wav)
        return cls(gain, float(np.median(np.log(f0[f0 > 0]))) if (f0 > 0).any() else None)


class Converter:
    """Speaks recordings again with an acoustic model and its content adapter.

    Args:
        acoustic: Acoustic model; config: its configuration.
        vocoder: :class:`vocoder.api.Vocoder`.
        folder: Of the acoustic model.
        content: Folder of the adapter; the one in the model's folder when None.
        home: Median Hz of the voice; what the model plans for a neutral sentence when None.
        mark: ``mark(mel, first frame)`` gives the mel with the watermark; None leaves it out.
    """

    def __init__(self, acoustic, config: dict, vocoder, folder, content=None, home=None, mark: Callable | None = None):
        self.acoustic, self.config, self.vocoder, self.folder = acoustic, config, vocoder, folder
        self.home, self.mark = home, mark
        self._content, self._content_folder, self._aligner = None, content, None

    def load(self):
        """(adapter, aligner), loaded at first use.

        Raises:
            ModelError: there is no adapter, or it is one of another model, or the model takes none.
        """
        if self._content is None:
            from tts.aligner import Aligner
            from tts.models.content import content_folder, decoder_of, load_content

            if not hasattr(decoder_of(self.acoustic), "decode"):
                raise ModelError(f"a {self.acoustic.kind} speaks by units and converts no recordings.", where=self.folder,
                                 code="content.acoustic", fix="Take megatts or fs2.")  # fmt: skip
            self._aligner = Aligner.load()
            folder = self._content_folder or content_folder(self.folder)
            self._content = load_content(folder, self.config, self._aligner.config, self.folder)
        return self._content, self._aligner.model

    def shift(self, source: Source, voice, pitch: str | float = "auto") -> float:
        """Natural log of the factor from the recording's pitch to what is spoken.

        Args:
            source: Of the recording.
            voice: ``VoiceTensors``.
            pitch: "auto" moves the median to the voice's own, "keep" changes nothing, a number moves by semitones.
        """
        if isinstance(pitch, str) and pitch not in ("auto", "keep"):
            raise UsageError(f"pitch is {pitch!r:.40}.", where="pitch", code="convert.pitch",
                             fix="Give auto, keep, or semitones.")  # fmt: skip
        if not isinstance(pitch, str):
            from tts.api import check_range

            check_range("pitch", pitch, -24, 24)
            return float(pitch) * np.log(2) / 12
        if pitch == "keep" or source.log_f0 is None:
            return 0.0
        return (np.log(self.home) if self.home else register(self.acoustic, voice)) - source.log_f0

    def stream(self, blocks: Iterable[np.ndarray], voice, pitch: str | float = "auto", seed: int = 0) -> Iterator[np.ndarray]:
        """Convert a recording in bounded memory.

        Args:
            blocks: Its samples at 24 kHz in order, arrays [S_i] of any length.
            voice: ``VoiceTensors`` of the acoustic model.
            pitch: As of :meth:`shift`.
            seed: Of the vocoder's noise.

        Yields:
            Samples, as many in all as were given.
        """
        head, blocks = beginning(iter(blocks))
        source = Source.measure(head)
        shift = self.shift(source, voice, pitch)
        cut = enumerate(pieces(head, blocks))
        yield from joined((piece, self._piece(piece, source, shift, voice, (seed, i))) for i, piece in cut)

    def _piece(self, piece: Piece, source: Source, shift: float, voice, noise: tuple) -> np.ndarray:
        """The samples of a piece, and JOIN more where another follows."""
        import torch

        from tts.models.content import decoder_of, with_voice
        from tts.models.fs2 import coloured
        from tts.models.variance import FULL_BAND, frame_energy
        from vocoder.audio.mel import log_mel

        content, aligner = self.load()
        wav = piece.wav * np.float32(source.gain)
        f0, log_f0 = moved_pitch(wav, shift)
        with torch.inference_mode():
            mel = torch.from_numpy(log_mel(wav))[None]
            mask = torch.ones(mel.shape[:2], dtype=torch.bool)
            hidden = aligner.encode(mel, mask)
            given = (torch.from_numpy(values)[None] for values in (log_f0, (f0 > 0).astype(np.float32)))
            made = content(hidden, *given, frame_energy(mel), mask)
            conditions = with_voice(self.acoustic.variance, made, None if voice.memory is None else voice.memory[None])
            cond = self.acoustic.variance.cond(voice.style[None], torch.tensor([FULL_BAND]))
            made = coloured(decoder_of(self.acoustic).decode(conditions, mask, cond, voice.tokens[None])[0][0], voice).numpy()
        seed, i = noise
        samples = self.vocoder.decode(self.marked(made, piece.first), f0, seed, ("convert", i)) / np.float32(source.gain)
        return samples[piece.start : piece.start + piece.n_samples + (JOIN if piece.followed else 0)]

    def with_text(self, wav: np.ndarray, aligned, voice, pitch: str | float = "auto", seed: int = 0) -> np.ndarray:
        """Convert a recording whose text is known: exact phones, at the times of the recording.

        Args:
            wav: [S] at 24 kHz.
            aligned: ``tts.alignment.Aligned`` of it and its text.
        """
        import torch

        from tts.api import codes_of
        from tts.models.variance import PhonePlan
        from tts.prosody import phone_means
        from vocoder.audio.mel import log_mel

        source = Source.measure(wav)
        shift, raised = self.shift(source, voice, pitch), wav * np.float32(source.gain)
        mel = log_mel(raised)
        log_pitch, energy = phone_means(raised, mel, aligned.durations)
        spoken = aligned.durations > 0
        hz = np.exp(np.clip(log_pitch + shift, np.log(F0_LOW), np.log(F0_HIGH)))
        neutral = float(np.exp(np.clip(log_pitch[spoken].mean() + shift, np.log(F0_LOW), np.log(F0_HIGH))))
        read = codes_of(self.acoustic)
        plan = PhonePlan(aligned.durations, np.where(spoken, hz, neutral).astype(np.float32),
                         np.where(spoken, energy, energy[spoken].mean()).astype(np.float32),
                         read(mel, aligned.durations) if read else None)  # fmt: skip
        with torch.inference_mode():
            made = self.acoustic.infer(aligned.phones, voice, plan, noise=(seed, 0))[0].numpy()
        f0, _ = moved_pitch(raised, shift)
        samples = self.vocoder.decode(self.marked(made, 0), f0, seed, ("convert", 0))
        return (samples / np.float32(source.gain))[: len(wav)]

    def marked(self, mel: np.ndarray, first: int) -> np.ndarray:
        """A mel [T, 100] with the watermark, where one is wanted; ``first`` is the number of its first frame."""
        return mel if self.mark is None else self.mark(mel, first)


def convert_stream(synthesizer, blocks: Iterable[np.ndarray], voice, *, pitch="auto", **request) -> Iterator[Speech]:
    """See :meth:`tts.api.Synthesizer.convert_stream`."""
    converter, who, tensors, made = synthesizer.converter(voice, **request)
    seed = int(request.get("seed", 0))
    for samples in converter.stream(blocks, tensors, pitch, seed):
        yield Speech(samples, "", "", who.name, seed, provenance=made)


def convert(synthesizer, wav: np.ndarray, voice, *, text=None, language="auto", pitch="auto", **request) -> Speech:
    """See :meth:`tts.api.Synthesizer.convert`."""
    if text is None:
        return join(convert_stream(synthesizer, [wav], voice, pitch=pitch, **request))
    from tts.alignment import align_text

    aligned = align_text(wav, text, language)
    seed, tag = int(request.get("seed", 0)), aligned.clauses[0].language
    converter, who, tensors, made = synthesizer.converter(voice, text, tag, **request)
    samples = converter.with_text(wav, aligned, tensors, pitch, seed)
    return replace(aligned.speech(len(wav)), samples=samples, voice=who.name, seed=seed, length=None, provenance=made)


def moved_pitch(wav: np.ndarray, shift: float) -> tuple[np.ndarray, np.ndarray]:
    """F0 [T] in Hz, 0 = unvoiced, and its natural log [T], bridged; both moved by ``shift``."""
    from vocoder.audio.f0 import interpolate_log_f0
    from vocoder.audio.pitch import track_pitch

    f0 = track_pitch(wav)
    moved = np.where(f0 > 0, np.clip(f0 * np.exp(shift), F0_LOW, F0_HIGH), 0).astype(np.float32)
    return moved, interpolate_log_f0(moved)


def register(acoustic, voice) -> float:
    """Median natural log of Hz that a voice speaks at: as the acoustic model plans a neutral sentence."""
    import torch

    from tts.aligner import N_MARKS

    logs, frames = [], []
    with torch.inference_mode():
        for clause in _neutral():
            plan = acoustic.variance.plan(clause, voice)
            spoken = np.asarray(clause.ids) >= N_MARKS
            logs.append(np.log(plan.pitch[spoken]))
            frames.append(plan.durations[spoken])
    return float(np.median(np.repeat(np.concatenate(logs), np.concatenate(frames))))


@lru_cache(maxsize=1)
def _neutral() -> tuple:
    import frontend

    return frontend.analyze(NEUTRAL, "en-us", phonemes=True).clauses


@dataclass(frozen=True, eq=False)
class Piece:
    """A stretch of a recording with what reaches into it."""

    wav: np.ndarray  # samples, context included
    start: int  # where the piece begins in them; a multiple of the hop
    n_samples: int
    followed: bool  # by another piece
    first: int = 0  # frame of the recording that the samples begin with


def pieces(head: np.ndarray, blocks: Iterator[np.ndarray]) -> Iterator[Piece]:
    """Cut a recording, its beginning given, at quiet places: 6 to 16 s each, the rest at the end."""
    held, start, first, context = head, 0, 0, CONTEXT * HOP_LENGTH
    wanted = (PIECE + 2 * CONTEXT) * HOP_LENGTH
    more = True
    while True:
        while more and len(held) - start < wanted:
            block = next(blocks, None)
            more = block is not None
            held = np.concatenate([held, block]) if more else held
        left = len(held) - start
        if not more and left <= PIECE * HOP_LENGTH:
            if left or not start:
                yield Piece(held, start, left, False, first)
            return
        size = quiet_cut(held[start : start + PIECE * HOP_LENGTH])
        yield Piece(held[: start + size + context], start, size, True, first)
        kept = max(0, start + size - context)
        held, start, first = held[kept:], start + size - kept, first + kept // HOP_LENGTH


def joined(made: Iterable[tuple[Piece, np.ndarray]]) -> Iterator[np.ndarray]:
    """The samples of pieces, each with JOIN more of what follows, over which it goes over into the next."""
    join = np.zeros(0, np.float32)
    for piece, samples in made:
        ramp = np.linspace(0, 1, len(join), dtype=np.float32)
        samples[: len(join)] = ramp * samples[: len(join)] + (1 - ramp) * join
        join = samples[piece.n_samples :]
        yield samples[: piece.n_samples]


def quiet_cut(wav: np.ndarray) -> int:
    """Samples up to the quietest place behind the shortest length of a piece; a multiple of the hop."""
    level = np.square(wav[: len(wav) // HOP_LENGTH * HOP_LENGTH].reshape(-1, HOP_LENGTH)).mean(1)
    around = np.convolve(level, np.ones(9) / 9, "same")[SHORTEST:-4]
    return (SHORTEST + int(around.argmin())) * HOP_LENGTH


def beginning(blocks: Iterator[np.ndarray]) -> tuple[np.ndarray, Iterator[np.ndarray]]:
    """The first minutes, and what follows."""
    parts, size = [], 0
    for block in blocks:
        parts.append(np.asarray(block, np.float32))
        size += len(block)
        if size >= HEAD * SAMPLE_RATE:
            break
    if not size:
        raise DataError("holds no samples.", code="audio.empty", fix="Record or export it again.")
    return np.concatenate(parts), blocks
