"""The house models under judgement, through the public API only."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from recipes.datadir import Utterance
from tts.base.errors import ModelError, UnavailableError
from vocoder.audio.frames import HOP_LENGTH

CONSENT = "the reader; published recording under a free licence; used for evaluation only"


@dataclass(frozen=True)
class Spoken:
    """A sentence as the house spoke it."""

    wav: np.ndarray  # [S] float32 at 24 kHz
    voice: str
    rtf: float  # seconds of computing a second of audio


class House:
    """``house.speak(clip)``: the text of a clip in the voice of its speaker, or in one of the same language."""

    def __init__(self, synthesizer, seed: int = 0):
        self.synthesizer, self.seed = synthesizer, seed
        self.voices = list(synthesizer.voices())

    @classmethod
    def load(cls, model=None) -> House:
        """The house with an acoustic model by name or folder; the default one when None."""
        from tts.api import Synthesizer

        return cls(Synthesizer(model=model))

    def voice_of(self, clip: Utterance) -> str:
        """The clip's own speaker if the house has that voice; else same language, same gender where there is a choice."""
        from frontend.languages import resolve

        if any(voice.name == clip.speaker for voice in self.voices):
            return clip.speaker
        language = resolve(clip.language).tag
        speaking = [voice for voice in self.voices if resolve(voice.language).tag == language]
        if not speaking:
            raise UnavailableError(
                f"no voice speaks {clip.language}.",
                where=clip.id,
                code="evaluate.voice",
                fix="Leave the corpus out with --corpus, or evaluate a model that speaks it.",
            )
        return min(speaking, key=lambda voice: voice.gender != clip.gender).name

    def has_own_voice(self, clip: Utterance) -> bool:
        return self.voice_of(clip) == clip.speaker

    def speak(self, clip: Utterance, voice=None, **request) -> Spoken:
        """The text of a clip; ``voice`` is a name or a Voice; ``request`` as of ``Synthesizer.synth``."""
        voice = voice or self.voice_of(clip)
        started = time.perf_counter()
        speech = self.synthesizer.synth(clip.text, voice=voice, language=clip.language, seed=self.seed, **request)
        taken = time.perf_counter() - started
        samples = np.asarray(speech.samples, np.float32)
        return Spoken(samples, voice if isinstance(voice, str) else "cloned", taken * speech.sample_rate / max(len(samples), 1))

    @property
    def languages(self) -> set[str]:
        """Tags of the languages that the model heard."""
        from vocoder.nn.checkpoint import load_config

        return set(load_config(self.synthesizer.folder).get("minutes", {}))

    @property
    def kind(self) -> str:
        """Architecture of the acoustic model."""
        from vocoder.nn.checkpoint import load_config

        return str(load_config(self.synthesizer.folder).get("architecture"))

    def cloned(self, clip: Utterance, reference: np.ndarray) -> np.ndarray:
        """The text of a clip in the voice of a recording, [S] at 24 kHz both."""
        from tts.voice import Voice

        return self.speak(clip, Voice.from_audio([(reference, 24_000)], consent=CONSENT, name="reference")).wav

    def fitted(self, clip: Utterance, reference: np.ndarray) -> np.ndarray:
        """As :meth:`cloned`, the voice fitted to the recording by the phones that are heard in it."""
        from tts.voice import Voice

        voice = Voice.from_audio([(reference, 24_000)], consent=CONSENT, name="reference")
        return self.speak(clip, self.synthesizer.fit(voice, [(reference, 24_000)])).wav

    def copied(self, clip: Utterance, wav: np.ndarray, voice=None) -> Spoken:
        """What a ``zmm1`` or ``zmm2`` makes of the units of a recording, [S] at 24 kHz: as if its text half told them all right.

        Raises:
            ModelError: its units are not those of the installed extractor.
        """
        import torch

        from codec.units.extractor import unit_extractor
        from codec.units.unitfile import UnitFacts
        from frontend.languages import resolve

        speaker, started = self.synthesizer, time.perf_counter()
        speaker.warm(clip.language)
        model, config, extractor = speaker._acoustic, speaker._config, unit_extractor("house")
        if UnitFacts.of(extractor).units_id != config["units_id"]:
            raise ModelError(f"the model knows units {config['units_id']}, not those of the installed extractor.",
                             where=speaker.folder, code="units.extractor", fix="Train it on these units.")  # fmt: skip
        codes = extractor.units(torch.from_numpy(np.pad(wav, (0, -len(wav) % HOP_LENGTH)))[None])
        frames = min(len(wav) // HOP_LENGTH, int(codes.shape[1] * model.decoder.config.units.clock))
        codes = codes[:, : model.decoder.config.units.n_units(frames)]
        voice = voice or self.voice_of(clip)
        tensors = speaker._voice_tensors(speaker.voice(voice) if isinstance(voice, str) else voice)
        languages = torch.full(codes.shape[:2], resolve(clip.language).id)
        mel, f0 = model.variance.sound(codes, languages, tensors, frames)
        made = speaker._vocoder.decode(mel.numpy(), f0.numpy())
        taken = time.perf_counter() - started
        return Spoken(made, voice if isinstance(voice, str) else "cloned", taken * 24_000 / max(len(made), 1))

    def clone(self, clip: Utterance):
        from tts.voice import Voice

        return Voice.from_audio([clip.wav], consent=CONSENT)


def text_phones(clip: Utterance) -> list[int]:
    """Ids of the phones that the frontend reads in the clip's text."""
    from frontend import process

    return [int(phone) for clause in process(clip.text, clip.language) for phone in clause.ids]
