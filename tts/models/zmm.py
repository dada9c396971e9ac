"""ZMM-TTS: text to units to sound, as one acoustic model that the synthesiser speaks with like any other.

    phones ──txt2vec──▶ durations; units ──vec2mel (``zmm1``) or vec2wav (``zmm2``)──▶ mel, F0 ──vocoder──▶ samples

``zmm1`` speaks by the house vocoder, ``zmm2`` by the generator that was trained with it (``vocoder/`` in its folder). Both share
one ``txt2vec``, in the folder itself or beside it; the config names it by its ``model_id``.

The speaker is the embedding of the speaker encoder, so that any recording is a voice. Nothing predicts pitch and energy: a plan
tells what the decoder makes of the clause, measured a phone, and what was moved in it is done to F0 and mel.

Source: ZMM-TTS (arXiv 2312.14398). Differs: see the three models.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn as nn
from torch import Tensor

from tts.aligner import token_of_frame
from tts.base.errors import ModelError
from tts.models.fs2 import coloured, to_hz
from tts.models.speaker import SpeakerEncoder
from tts.models.text import mean_over_phones
from tts.models.txt2vec import Txt2vec, load_txt2vec
from tts.models.units import check_codes
from tts.models.variance import ENERGY_BANDS, PhonePlan, VoiceTensors
from vocoder.audio.f0 import interpolate_log_f0

KINDS = ("zmm1", "zmm2")
SMOOTH = 5  # frames over which an edit of pitch or energy passes into that of the next phone


class Zmm(nn.Module):
    """An acoustic model of two: ``variance`` plans, :meth:`infer` speaks."""

    def __init__(self, txt2vec: Txt2vec, decoder: nn.Module, encoder: SpeakerEncoder):
        super().__init__()
        self.kind = decoder.kind
        self.txt2vec, self.decoder = txt2vec, decoder
        self.variance = UnitPlanner(txt2vec, decoder, encoder)

    @torch.inference_mode()
    def infer(self, phones, voice: VoiceTensors, plan: PhonePlan, *, steps=None, guidance=None, solver=None, noise=None):
        """Mel [T, 100] and F0 [T] (Hz, 0 = unvoiced) of one clause; the rest has no meaning here."""
        mel, f0 = self.variance.speak(phones, voice, plan.durations)
        pitch, energy = phone_means(mel, f0, plan.durations)
        mel = mel + over_frames(plan.energy - energy, plan.durations)[:, None]
        moved = f0 * over_frames(np.log(plan.pitch / pitch), plan.durations).exp()
        return coloured(mel, voice), torch.where(f0 > 0, moved.clamp(50, 700), 0.0)


class UnitPlanner:
    """Durations, pitch and energy of a clause, and the units between; what ``VarianceAdaptor`` is to other models."""

    def __init__(self, txt2vec: Txt2vec, decoder: nn.Module, encoder: SpeakerEncoder):
        self.txt2vec, self.decoder, self.encoder = txt2vec, decoder, encoder

    @property
    def style_dim(self) -> int:
        """Of a voice's vector, which is its speaker embedding."""
        return self.encoder.model.config.dim

    def voice(self, mel: Tensor) -> VoiceTensors:
        """Voice of a reference, mel [T, 100].

        Raises:
            DataError: it is shorter than 0.4 s.
        """
        return VoiceTensors(torch.from_numpy(self.encoder.embed(mel)))

    def plan(self, phones, voice: VoiceTensors, rate=1.0, pitch_st=0.0, energy_db=0.0, pitch_range=1.0) -> PhonePlan:
        """Durations as predicted, pitch and energy as the decoder speaks them; then adjusted."""
        durations = self.txt2vec.plan(phones, voice.style, rate)
        pitch, energy = phone_means(*self.speak(phones, voice, durations), durations)
        log_pitch = np.log(pitch)
        centre = log_pitch[durations > 0].mean()
        log_pitch = centre + (log_pitch - centre) * pitch_range + pitch_st * np.log(2) / 12
        energy = energy + energy_db * np.log(10) / 20
        return PhonePlan(durations, np.exp(log_pitch).astype(np.float32), energy.astype(np.float32))

    @torch.inference_mode()
    def speak(self, phones, voice: VoiceTensors, durations: np.ndarray) -> tuple[Tensor, Tensor]:
        """Mel [T, 100] and F0 [T] of a clause with durations [N] in frames, T of them in all."""
        codes, languages = self.txt2vec.units(phones, voice.style, durations)
        return self.sound(codes, languages, voice, int(np.sum(durations)))

    @torch.inference_mode()
    def sound(self, codes: Tensor, languages: Tensor, voice: VoiceTensors, n_frames: int) -> tuple[Tensor, Tensor]:
        """Mel [T, 100] and F0 [T] of units: codes [1, U, G], frontend language ids [1, U], T frames that they last.

        Raises:
            DataError: a code lies outside its book.
        """
        check_codes(codes, self.decoder.config.units)
        mask = torch.ones(codes.shape[:2], dtype=torch.bool)
        frame_mask = torch.ones(1, n_frames, dtype=torch.bool)
        mel, f0, voiced = self.decoder(codes, voice.style[None], languages, mask, frame_mask)
        return mel[0], to_hz(f0, voiced > 0)[0]


def phone_means(mel: Tensor, f0: Tensor, durations: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean F0 of phones in Hz, bridged over unvoiced stretches, and mean log-mel below 4 kHz; of absent ones, of all [N]."""
    lasts = torch.as_tensor(np.asarray(durations, np.int64))[None]
    token, ones = token_of_frame(lasts, len(mel)), torch.ones(1, len(mel))
    values = [torch.from_numpy(interpolate_log_f0(f0.numpy())).float(), mel[:, :ENERGY_BANDS].mean(-1)]
    means = [torch.where(lasts > 0, mean_over_phones(v[None], ones, token, lasts.shape[1])[0], v.mean())[0] for v in values]
    return np.exp(means[0].numpy()), means[1].numpy()


def over_frames(of_phones: np.ndarray, durations: np.ndarray) -> Tensor:
    """Values of phones [N] at their frames [T], with soft borders."""
    values = np.repeat(np.asarray(of_phones, np.float64), durations)
    padded = np.pad(values, SMOOTH // 2, mode="edge")
    return torch.from_numpy(np.convolve(padded, np.ones(SMOOTH) / SMOOTH, mode="valid").astype(np.float32))


def decoder_classes(kind: str):
    """Model and config class of the half behind the units, of "zmm1" or "zmm2"."""
    if kind == "zmm1":
        from tts.models.vec2mel import Vec2mel, Vec2melConfig

        return Vec2mel, Vec2melConfig
    from tts.models.vec2wav import Vec2wav, Vec2wavConfig

    return Vec2wav, Vec2wavConfig


def load_zmm(folder, config: dict, tensors: dict) -> tuple[Zmm, dict]:
    """(model, config) of an acoustic folder of kind zmm1 or zmm2, as ``vocoder.nn.checkpoint.load_model`` read it.

    Raises:
        ModelError: its txt2vec or the speaker encoder is missing, or another than it was made for.
    """
    from vocoder.nn.checkpoint import build, load_into
    from vocoder.nn.config import from_dict

    model_class, config_class = decoder_classes(config["architecture"])
    decoder = build(model_class, from_dict(config_class, config.get("model"), str(folder)))
    load_into(decoder, tensors, str(folder))
    place = txt2vec_folder(folder, config.get("txt2vec"))
    txt2vec, text_config = load_txt2vec(place)
    encoder = SpeakerEncoder.load()
    for name, own, needed in (
        ("units", text_config.get("units_id"), config.get("units_id")),
        ("speaker embeddings", encoder.config["model_id"], config.get("speaker_model")),
        ("speaker embeddings", encoder.config["model_id"], text_config.get("speaker_model")),
    ):
        if own != needed:
            raise ModelError(f"{name} are those of {needed}, found {own}.", where=folder, code="zmm.parts",
                             fix="Train both halves with one extractor and the installed speaker encoder.")  # fmt: skip
    return Zmm(txt2vec, decoder.eval(), encoder), {**config, "minutes": text_config["minutes"]}


def txt2vec_folder(folder, model_id: str | None):
    """Where the txt2vec of a zmm folder lies: ``txt2vec`` in it, or beside it.

    Raises:
        ModelError: there is none, or only others.
    """
    from pathlib import Path

    from vocoder.nn.checkpoint import load_config

    places = (Path(folder) / "txt2vec", Path(folder).parent / "txt2vec")
    found = [place for place in places if (place / "config.json").is_file()]
    for place in found:
        if load_config(place, "txt2vec")["model_id"] == model_id:
            return place
    what = f"found only {load_config(found[0])['model_id']}" if found else "nothing is there"
    raise ModelError(f"its txt2vec {model_id} is missing: {what}.", where=places[0], code="zmm.txt2vec",
                     fix="Export it again with --txt2vec, or copy that model there.")  # fmt: skip
