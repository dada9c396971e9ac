"""Bandwidth extension: a recording that ends at some kHz, a telephone's for example, gets the band above.

    samples ──▶ mel ──codes of the rows below the cut-off──▶ masked model ──▶ mel above ──vocoder(F0)──▶ samples above
       └──────────────────────────── as they are, below the cut-off ──────────────────────────▶ + ◀──────────┘

Nothing that the recording holds is lost: below the cut-off its own samples stay, a crossover filter takes only what is above from
the vocoder. Hours go through in the memory of a piece (``tts.convert.pieces``).

Source: SpecMaskGIT (arXiv 2406.17672): rows above the cut-off and the one it lies in are masked and sampled, the low band is
pasted back in the mel. Differs: see ``tts.models.patches``; the cut-off is measured; the low band is kept as samples too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import torch

from tts.base.errors import DataError, UsageError
from tts.convert import JOIN, beginning, joined, pieces
from tts.listen import gain_to_level
from tts.models.masked import OPEN, Sampling, generator
from tts.models.patches import WHOLE_BAND, Patches
from vocoder.api import Vocoder
from vocoder.audio.frames import MEL, N_FFT, N_MELS, SAMPLE_RATE
from vocoder.audio.mel import band_edges, log_mel
from vocoder.audio.pitch import track_pitch
from vocoder.audio.spectrum import stft

BELOW_PEAK = 50.0  # dB: what is more in the long-term spectrum is speech
CLIFF, FLOOR = 12.0, 85.0  # dB: a fall within 500 Hz that ends a band; what lies so far below the peak is nothing
LOWEST = 1500.0  # Hz that must be there
BLEND = 3  # bands below the cut-off over which the mel goes over
TAPS, SLOPE = 255, 150.0  # of the crossover: samples, and Hz that it lies below the cut-off, where recordings already fall
COLUMNS, BEFORE, AFTER = 104, 16, 8  # tiles in time that are found at once; found ones before, and low bands after them
MOST_GAIN = 100.0  # 40 dB
DEFAULT = Sampling(steps=12, temperature=0.8, choice_temperature=1.0)


def measured_cutoff(wav: np.ndarray) -> float:
    """Hz up to which a recording [S] at 24 kHz goes, from its long-term spectrum.

    That is the highest bin within 50 dB of the peak, and from there on as far as the spectrum goes without a cliff: good
    recordings of speech fall by more than 50 dB up to 12 kHz, but slowly.

    Raises:
        DataError: there is no sound, or less than 70 ms.
    """
    power = np.zeros(N_FFT // 2 + 1)
    for start in range(0, len(wav), SAMPLE_RATE):
        block = wav[start : start + SAMPLE_RATE]
        frames = stft(torch.from_numpy(np.pad(block, (0, -len(block) % MEL.hop_length)))[None])[0, 2:-2]  # no cut ends
        power += frames.abs().square().sum(0).double().numpy()
    if power.max() <= 0:
        raise DataError("holds no sound.", code="enhance.silent", fix="Check the recording's level.")
    level = 10 * np.log10(np.convolve(power, np.ones(9) / 9, mode="same") + 1e-20)
    last, ahead = int(np.flatnonzero(level > level.max() - BELOW_PEAK)[-1]), round(500 * N_FFT / SAMPLE_RATE)
    while last + ahead < len(level) and level[last + ahead] > max(level[last] - CLIFF, level.max() - FLOOR):
        last += 1
    return SAMPLE_RATE / 2 if last + ahead >= len(level) else float(last * SAMPLE_RATE / N_FFT)


class Enhancer:
    """A loaded bandwidth extension.

    >>> from tts.enhance import Enhancer
    >>> from vocoder.audio.io import read_audio
    >>> narrow = read_audio("talk.wav")
    >>> Enhancer.load().enhance(narrow, cutoff=4000).shape == narrow.shape
    True
    """

    def __init__(self, model: Patches, vocoder: Vocoder):
        self.model, self.vocoder = model, vocoder

    @classmethod
    def load(cls, folder=None, threads: int | None = None) -> Enhancer:
        """Of a folder with patches, the house model when None, and the house vocoder.

        Raises:
            ModelError: The folder is missing, damaged, or of another kind.
        """
        if threads:
            torch.set_num_threads(threads)
        return cls(Patches.load(folder), Vocoder.load())

    def enhance(self, wav: np.ndarray, cutoff: float | None = None, seed: int = 0, sampling: Sampling = DEFAULT) -> np.ndarray:
        """[S] at 24 kHz with the band above ``cutoff``; arguments and errors as of :meth:`stream`."""
        return np.concatenate(list(self.stream([wav], cutoff, seed, sampling)))

    def stream(self, blocks: Iterable[np.ndarray], cutoff: float | None = None, seed: int = 0,
               sampling: Sampling = DEFAULT, heard=None) -> Iterator[np.ndarray]:  # fmt: skip
        """Extend a recording in bounded memory.

        Args:
            blocks: Its samples at 24 kHz in order, arrays [S_i] of any length.
            cutoff: Hz up to which it is good; measured on its first minutes when None. From 11 kHz on it stays as it is.
            seed: Of all chance.
            sampling: How tiles are found.
            heard: Called with a dict of ``cutoff_hz`` and the ``seconds`` done, again and again.

        Yields:
            Samples, as many in all as were given.

        Raises:
            DataError: there is no sound, or none above 1.5 kHz.
            UsageError: the cut-off is out of range.
        """
        if cutoff is not None and not LOWEST <= cutoff <= SAMPLE_RATE / 2:
            raise UsageError(f"cutoff is {cutoff!r:.40} Hz; it goes from {LOWEST:g} to {SAMPLE_RATE / 2:g}.", where="cutoff",
                             code="enhance.cutoff")  # fmt: skip
        head, blocks = beginning(iter(blocks))
        cutoff = measured_cutoff(head) if cutoff is None else cutoff
        if cutoff < LOWEST:
            raise DataError(f"holds nothing above {cutoff:.0f} Hz; extending takes {LOWEST:g}.", code="enhance.cutoff",
                            fix="Give a better recording, or --cutoff if this was measured wrongly.")  # fmt: skip
        gain = min(float(gain_to_level(head)), MOST_GAIN)
        size = 0
        for samples in joined((piece, self._piece(piece, cutoff, gain, seed, sampling)) for piece in pieces(head, blocks)):
            size += len(samples)
            if heard:
                heard({"cutoff_hz": round(cutoff), "seconds": round(size / SAMPLE_RATE, 3)})
            yield samples

    def _piece(self, piece, cutoff: float, gain: float, seed: int, sampling: Sampling) -> np.ndarray:
        """The samples of a piece, and JOIN more where another follows."""
        inner = slice(piece.start, piece.start + piece.n_samples + (JOIN if piece.followed else 0))
        if cutoff >= WHOLE_BAND:
            return piece.wav[inner].copy()
        wav = piece.wav * np.float32(gain)
        mel = self.extend(log_mel(wav), cutoff, (seed, "enhance", piece.first), sampling)
        made = self.vocoder.decode(mel, track_pitch(wav), seed, ("enhance", piece.first))[: len(wav)] / np.float32(gain)
        return crossover(piece.wav, made, cutoff)[inner]

    def extend(self, mel: np.ndarray, cutoff: float, key: tuple, sampling: Sampling = DEFAULT) -> np.ndarray:
        """Log-mel [T, 100] whose bands above ``cutoff`` Hz are found anew; the others are kept, the last few blended.

        ``key``: the seed, then names and numbers: of all chance.
        """
        given = torch.from_numpy(mel)[None]
        with torch.inference_mode():
            codes = self.model.vq.encode(given)
            codes[:, int(self.model.config.rows_below(torch.tensor([cutoff]))) :] = OPEN
            found = self.model.vq.decode(self.found(codes, key, sampling))[0, : len(mel)].numpy()
        first = int((band_edges()[2:] <= cutoff).sum())  # band that is not whole
        weight = np.clip((np.arange(N_MELS) - first + BLEND + 1) / (BLEND + 1), 0, 1).astype(np.float32)
        return mel + weight * (found - mel)

    def found(self, codes: torch.Tensor, key: tuple, sampling: Sampling) -> torch.Tensor:
        """Codes [1, R, C] whose open cells are found, a stretch of columns after the other, each hearing the one before."""
        codes, total = codes.clone(), codes.shape[2]
        for start in range(0, total, COLUMNS):
            end = min(total, start + COLUMNS)
            first = max(0, start - BEFORE)
            chance = generator(key[0], (*key[1:], start))
            made = self.model.masked.sample(codes[:, :, first : end + AFTER], sampling=sampling, generator=chance)
            codes[:, :, start:end] = made[:, :, start - first : end - first]
        return codes


def crossover(low: np.ndarray, high: np.ndarray, cutoff: float) -> np.ndarray:
    """[S] at 24 kHz: ``low`` below the cut-off, ``high`` above. Two linear-phase filters that add up to one."""
    taps = np.arange(TAPS) - TAPS // 2
    edge = (cutoff - SLOPE) / SAMPLE_RATE
    kernel = 2 * edge * np.sinc(2 * edge * taps) * np.blackman(TAPS)
    kernel /= kernel.sum()
    difference = np.pad((low - high).astype(np.float64), TAPS // 2)
    size = 1 << (len(difference) + TAPS - 1).bit_length()
    passed = np.fft.irfft(np.fft.rfft(difference, size) * np.fft.rfft(kernel, size), size)[TAPS - 1 : TAPS - 1 + len(low)]
    return (high + passed).astype(np.float32)
