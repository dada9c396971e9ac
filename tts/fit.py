"""Fitting a voice: the style with which a model says a recording as its speaker said it.

    recording ──aligned with its text, or with the phones heard──▶ frames of known phones, pitch, energy, prosody codes
    style, tokens ──decoder──▶ mel ──compared with the recording's──▶ a few steps of gradient descent on style and tokens

The reference encoder guesses a voice in one look, and unseen voices are drawn towards those of the training. Fitting
corrects the guess; all weights stay. Durations, pitch and energy of the recording are fitted too, since the same style
tells them.

Source: adaptation of conditional vectors as in AdaSpeech (arXiv 2103.00993) §2.3. Differs: no weight is touched, so that a
fitted voice is still a small file for the same model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from types import SimpleNamespace

import numpy as np
import torch
from torch import Tensor

from tts.aligner import collapse
from tts.base import rng
from tts.base.errors import DataError, UsageError
from tts.models.variance import (
    FULL_BAND,
    PhonePlan,
    VoiceTensors,
    band_mask,
    frame_energy,
    measure,
    phone_tensors,
)
from vocoder.audio.f0 import interpolate_log_f0

STEPS, RATE = 40, 0.03
CROP = 300  # frames a step
FIT_SECONDS = 30.0  # of speech that are used
SILENCE = 1  # id of the phone at both ends
NEAR = 0.02  # weight of the squared distance from the first guess


@dataclass(frozen=True)
class Piece:
    """A recording of which the phones are known."""

    mel: Tensor  # [T, 100]
    conditions: Tensor  # [1, T, D] of the decoder
    weight: Tensor  # [T], 0 where it is quiet
    batch: dict  # of one utterance, as ``recipes.train.acoustic.collate`` makes it, for the predictors
    hidden: Tensor  # [1, N, C]


@dataclass(frozen=True)
class Fitted:
    tensors: VoiceTensors
    before: float  # L1 of log-mel over speech, of the first guess
    after: float


def fit(acoustic, voice: VoiceTensors, recordings: Sequence[tuple], steps: int = STEPS, rate: float = RATE) -> Fitted:
    """The voice fitted to recordings.

    Args:
        acoustic: ``fs2`` or ``megatts``.
        voice: The first guess.
        recordings: (samples [S] float32 at 24 kHz, brought to level; ``frontend.Phones`` or alike; durations [N]).
        steps, rate: Of Adam.

    Raises:
        UsageError: the model is another.
    """
    if acoustic.kind not in ("fs2", "megatts"):
        raise UsageError(f"voices of a {acoustic.kind} model cannot be fitted.", where="model", code="fit.model",
                         fix="Take fs2 or megatts.")  # fmt: skip
    guess = VoiceTensors(*(None if t is None else t.clone() for t in (voice.style, voice.tokens, voice.memory)))
    with torch.no_grad():
        pieces = [piece(acoustic, guess, *recording) for recording in recordings]
    style, tokens = guess.style.clone().requires_grad_(), guess.tokens.clone().requires_grad_()
    optimizer = torch.optim.Adam([style, tokens], lr=rate)
    order, history = rng.generator(0, "fit"), []
    for step in range(steps):
        each = pieces[step % len(pieces)]
        start = int(order.integers(0, max(0, len(each.mel) - CROP) + 1))
        mel_error, others = errors(acoustic, each, slice(start, start + CROP), style, tokens)
        moved = (style - guess.style).square().sum() + (tokens - guess.tokens).square().sum()
        for group in optimizer.param_groups:
            group["lr"] = rate * min(1.0, 2 * (1 - step / steps))
        style.grad, tokens.grad = torch.autograd.grad(mel_error + 0.3 * others + NEAR * moved / len(style), [style, tokens])
        optimizer.step()
        history.append(float(mel_error.detach()))
    few = max(1, steps // 8)
    fitted = replace(guess, style=style.detach(), tokens=tokens.detach())
    return Fitted(fitted, float(np.mean(history[:few])), float(np.mean(history[-few:])))


def prepared(recordings, texts, language: str) -> list[tuple]:
    """Recordings of one person as :func:`fit` takes them; arguments of :meth:`tts.api.Synthesizer.fit`."""
    from frontend.languages import resolve
    from tts.alignment import align_text
    from tts.listen import to_level
    from tts.voice import as_list
    from vocoder.audio.frames import HOP_LENGTH, SAMPLE_RATE
    from vocoder.audio.io import read_audio
    from vocoder.audio.mel import log_mel

    recordings = as_list(recordings)
    texts = [None] * len(recordings) if texts is None else [texts] if isinstance(texts, str) else list(texts)
    if len(texts) != len(recordings):
        raise DataError(f"{len(texts)} texts for {len(recordings)} recordings.", where="texts", code="fit.texts",
                        fix="Give one text a recording, or none.")  # fmt: skip
    found, left = [], FIT_SECONDS
    for recording, text in zip(recordings, texts, strict=True):
        wav = to_level(read_audio(recording))
        if text is not None:
            aligned = align_text(wav, text, language or "auto")
            found.append((wav, aligned.phones, aligned.durations))
        else:
            wav = wav[: int(left * SAMPLE_RATE) // HOP_LENGTH * HOP_LENGTH]
            mel = torch.from_numpy(log_mel(wav))
            found.append((wav, *heard_phones(mel, resolve(language).id if language else 0)))
        left -= len(wav) / SAMPLE_RATE
        if left < 1:
            break
    return found


def piece(acoustic, voice: VoiceTensors, wav: np.ndarray, phones, durations: np.ndarray) -> Piece:
    """What is fixed of a recording while its voice is fitted."""
    from tts.prosody import phone_means
    from vocoder.audio.mel import log_mel
    from vocoder.audio.pitch import track_pitch

    variance = acoustic.variance
    mel, f0 = torch.from_numpy(log_mel(wav)), track_pitch(wav)
    log_f0, energy = phone_means(wav, mel.numpy(), durations)
    codes = variance.codes_of(mel, durations).clone().numpy() if hasattr(variance, "codes_of") else None
    plan = PhonePlan(durations, np.exp(log_f0).astype(np.float32), energy.astype(np.float32), codes)
    conditions = variance.planned_conditions(phones, voice, plan)[0]
    ids, styles, langs, mask = phone_tensors(phones)
    batch = {
        "ids": ids, "durations": torch.as_tensor(durations)[None], "text_lengths": torch.tensor([ids.shape[1]]),
        "mel": mel[None], "frame_lengths": torch.tensor([len(mel)]),
        "log_f0": torch.from_numpy(interpolate_log_f0(f0))[None], "voiced": torch.from_numpy((f0 > 0).astype(np.float32))[None],
    }  # fmt: skip
    level = frame_energy(mel)
    weight = (level > level.quantile(0.95) - 1.5).float()  # 26 dB
    return Piece(mel, conditions.clone(), weight, batch, variance.text(ids, styles, langs, mask).clone())


def errors(acoustic, each: Piece, span: slice, style: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
    """L1 of the mel in a span, below 7.5 kHz and where there is speech; the predictors' losses on the whole recording."""
    variance = acoustic.variance
    cond = variance.cond(style[None], torch.tensor([FULL_BAND]))
    mask = torch.ones(each.conditions[:, span].shape[:2], dtype=torch.bool)
    mel = acoustic.decode(each.conditions[:, span], mask, cond, tokens[None])[0][0]
    weight = each.weight[span, None] * band_mask(torch.tensor([7500.0]))[0]
    mel_error = ((mel - each.mel[span]).abs() * weight).sum() / weight.sum().clamp(min=1)
    losses = variance.predictor_losses(each.hidden, each.hidden, style[None], each.batch, measure(each.batch))
    return mel_error, losses["duration"] + losses["pitch"] + losses["energy"]


def heard_phones(mel: Tensor, language_id: int):
    """Phones that the recogniser hears in log-mel [T, 100], aligned: (an object with ids, styles, langs; durations)."""
    from tts.alignment import house_aligner
    from tts.models.text import STYLES_A_LANGUAGE

    aligner = house_aligner()
    with torch.inference_mode():
        posteriors = aligner.model(mel[None], torch.ones(1, len(mel), dtype=torch.bool))[0]
    ids = np.array([SILENCE, *collapse(posteriors.argmax(-1).tolist()), SILENCE])
    languages = np.full(len(ids), language_id)
    durations, _ = aligner.align_mel(mel, ids)
    return SimpleNamespace(ids=ids, styles=languages * STYLES_A_LANGUAGE, langs=languages), durations
