"""Prosody drawn by a prosody model, for an acoustic model that speaks by its codes (``megatts``).

    phones, voice ──text encoder──▶ content ──prosody model──▶ codes, durations ──▶ PhonePlan

Every draw has its own generator, made from (seed, clause, draw): the same request is spoken the same way.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from tts.base.errors import ModelError, UnavailableError, UsageError
from tts.models import masked
from tts.models.prosody import OPEN, Prompt, ProsodyModel, ProsodyModelConfig, Sampled, two_sided
from tts.models.variance import LONGEST_PHONE, PhonePlan, VoiceTensors, may_be_silent, phone_tensors

KEPT_PROMPTS = 64  # of voices
PROMPT_FRAMES = 600  # of a voice's reference, 8 s
SOURCES = ("regression", "causal", "causal+durations", "masked")  # where the prosody of ``tts synth`` may come from


@dataclass(frozen=True)
class Candidate:
    """One way to say a clause, and how well it fits what was given of it."""

    plan: PhonePlan
    score: float  # two-sided mean log probability; higher fits better


class ProsodySampler:
    """Draws prosody for the clauses of one acoustic model."""

    def __init__(self, model: ProsodyModel, variance, durations: str = "parallel"):
        if durations not in ("parallel", "causal") or (durations == "causal" and not model.tells_durations):
            raise UsageError(f"durations {durations!r} are not this model's.", where="durations", fix='Take "parallel".')
        self.model, self.variance, self.durations = model.eval(), variance, durations

    @classmethod
    def load(cls, folder, acoustic, durations: str = "parallel") -> ProsodySampler:
        """A prosody model from its folder, for a loaded ``megatts``.

        Raises:
            ModelError: it was made for other codes, or the acoustic model has none.
        """
        from tts.models.megatts import codes_id
        from vocoder.nn.checkpoint import build, load_into, load_model
        from vocoder.nn.config import from_dict

        if acoustic.kind != "megatts":
            raise ModelError(f"a {acoustic.kind} has no prosody codes.", where=folder, code="prosody.acoustic",
                             fix="Speak with a megatts, or with prosody by regression.")  # fmt: skip
        config, tensors = load_model(folder, "prosody")
        own = codes_id(acoustic.variance)
        if config.get("codes_id") != own:
            raise ModelError(f"the prosody model learned codes {config.get('codes_id')}, the acoustic model has {own}.",
                             where=folder, code="prosody.codes", fix="Train it on this acoustic model.")  # fmt: skip
        model = build(ProsodyModel, from_dict(ProsodyModelConfig, config.get("model"), str(folder)))
        load_into(model, tensors, str(folder))
        return cls(model, acoustic.variance, durations)

    @torch.inference_mode()
    def plans(self, phones, voice: VoiceTensors, key: tuple, *, n: int = 1, known: PhonePlan | None = None, sought=None,
              prompt: Prompt | None = None, other: Prompt | None = None, strength: float = 0.0, top_k: int = 5,
              **controls) -> list[Candidate]:  # fmt: skip
        """``n`` ways to say a clause.

        Args:
            phones: ``frontend.Phones`` of the clause.
            voice: Who speaks.
            key: Of all chance: the seed, then names and numbers such as the clause's.
            known, sought: A plan with codes, and bool [N]: the phones whose prosody is drawn anew; the others keep theirs.
            prompt, other, strength: As ``ProsodyModel.sample``.
            controls: Rate, pitch and so on, as ``VarianceAdaptor.plan``.
        """
        ids, styles, langs, mask = phone_tensors(phones)
        content, silent = self.variance.text(ids, styles, langs, mask)[0], may_be_silent(ids[0])
        given = None if known is None else torch.from_numpy(np.where(sought, OPEN, self.to_model(known)))
        sampled = self.model.sample(
            content, voice.style, n=n, known=given, silent=silent, prompt=prompt, other=other, strength=strength,
            top_k=top_k, generator=generator(key),
        )  # fmt: skip
        span = (0, len(content)) if known is None else (int(np.flatnonzero(sought)[0]), int(np.flatnonzero(sought)[-1]) + 1)
        scores = two_sided(sampled, *span)
        plans = [self.plan_of(phones, voice, sampled, i, silent.numpy(), controls) for i in range(n)]
        if known is not None:
            plans = [merged(known, plan, np.asarray(sought)) for plan in plans]
        return [Candidate(plan, float(score)) for plan, score in zip(plans, scores, strict=True)]

    def plan_of(self, phones, voice, sampled: Sampled, i: int, silent: np.ndarray, controls: dict) -> PhonePlan:
        """Draw i as a plan."""
        size = self.model.config.codebook_size
        codes = sampled.codes[i].numpy()
        spoken = codes < size
        plan = self.variance.plan(phones, voice, codes=np.where(spoken, codes, -1), **controls)
        durations = plan.durations
        if self.durations == "causal":
            frames = sampled.log_durations[i].exp().numpy() / controls.get("rate", 1.0)
            durations = np.clip(frames.round(), 1, LONGEST_PHONE).astype(np.int64)
        durations = np.where(silent & ~spoken, 0, np.maximum(durations, 1))
        durations[0] = max(1, durations[0])
        return replace(plan, durations=durations)

    def to_model(self, plan: PhonePlan) -> np.ndarray:
        """Codes of a plan as the model has them: K where a phone takes no time."""
        if plan.codes is None:
            raise ModelError("the plan has no prosody codes.", where="known", code="prosody.codes")
        return np.where(np.asarray(plan.codes) < 0, self.model.config.codebook_size, plan.codes)

    def prompt_of(self, reference: np.ndarray, language_id: int) -> Prompt:
        """Context from a voice's reference, log-mel [T, 100], of which the recogniser hears the phones; 8 s at most."""
        from tts.fit import heard_phones

        mel = torch.from_numpy(reference[:PROMPT_FRAMES])
        phones, durations = heard_phones(mel, language_id)
        return self.prompt(phones, mel, durations)

    @torch.inference_mode()
    def prompt(self, phones, mel, durations) -> Prompt:
        """Context from an aligned recording: ``frontend.Phones`` of what it says, mel [T, 100], durations [N]."""
        ids, styles, langs, mask = phone_tensors(phones)
        durations = torch.as_tensor(durations, dtype=torch.long)
        codes = self.variance.codes_of(torch.as_tensor(mel), durations)
        codes = torch.where(durations == 0, self.model.config.codebook_size, codes)
        return Prompt(self.variance.text(ids, styles, langs, mask)[0], codes, durations.clamp(min=1).log().float())


@dataclass(frozen=True, eq=False)
class Director:
    """Decides how the clauses of a request are said: by regression, or by draws of a prosody model."""

    variance: object  # of the acoustic model
    sampler: ProsodySampler | None = None  # None: regression
    seed: int = 0
    prompt: Prompt | None = None  # the voice's own manner
    other: Prompt | None = None  # that of another voice
    strength: float = 0.0  # of the other one

    @torch.inference_mode()
    def plan(self, i: int, clause, voice: VoiceTensors, **controls) -> PhonePlan:
        """Clause i, by the controls of ``VarianceAdaptor.plan``."""
        if self.sampler is None:
            return self.variance.plan(clause, voice, **controls)
        drawn = self.sampler.plans(clause, voice, (self.seed, i), prompt=self.prompt, other=self.other, strength=self.strength,
                                   **controls)  # fmt: skip
        return drawn[0].plan


def merged(known: PhonePlan, drawn: PhonePlan, sought: np.ndarray) -> PhonePlan:
    """``known`` with the sought phones of ``drawn``."""
    return PhonePlan(*(np.where(sought, getattr(drawn, name), getattr(known, name)) for name in
                       ("durations", "pitch", "energy", "codes")))  # fmt: skip


def generator(key: tuple) -> torch.Generator:
    """A generator of its own for (seed, names and numbers)."""
    return masked.generator(key[0], ("prosody", *key[1:]))


class Directors:
    """The directors of one acoustic model: its prosody models, loaded at first use, and what they heard of voices."""

    def __init__(self, folder: Path, acoustic):
        self.folder, self.acoustic = Path(folder), acoustic
        self._samplers: dict[str, ProsodySampler] = {}
        self._prompts: dict[bytes, Prompt] = {}

    def director(self, prosody: str, voice, other, strength: float, seed: int) -> Director:
        """How a request is said; arguments as of ``Synthesizer.synth``, ``voice`` and ``other`` are Voices.

        Raises:
            UsageError: the source of prosody is unknown, or not this model's.
            UnavailableError: its prosody model is not there.
        """
        if prosody not in SOURCES:
            raise UsageError(f"prosody is {prosody!r:.40}.", where="prosody", code="controls.prosody",
                             fix=f"Give {', '.join(SOURCES)}.")  # fmt: skip
        if other is not None and not prosody.startswith("causal"):
            raise UsageError("the manner of another voice needs the causal prosody model.", where="prosody_voice",
                             code="controls.prosody_voice", fix='Give prosody="causal".')  # fmt: skip
        if prosody == "regression":
            return Director(self.acoustic.variance)
        if self.acoustic.kind != "megatts":
            raise UsageError(f"{self.acoustic.kind} has no prosody codes.", where="prosody", code="controls.prosody",
                             fix="Leave prosody out, or take a megatts model.")  # fmt: skip
        sampler = self.sampler(prosody)
        own, theirs = self.prompt(sampler, voice), None if other is None else self.prompt(sampler, other)
        return Director(self.acoustic.variance, sampler, seed, own, theirs, strength)

    def sampler(self, prosody: str) -> ProsodySampler:
        if prosody not in self._samplers:
            form, _, durations = prosody.partition("+")
            timing = "causal" if durations else "parallel"
            self._samplers[prosody] = ProsodySampler.load(find(self.folder, form), self.acoustic, timing)
        return self._samplers[prosody]

    def prompt(self, sampler: ProsodySampler, voice) -> Prompt:
        """The manner of a Voice, as heard once; the codes are the acoustic model's, so that all its samplers share it."""
        from frontend.languages import resolve

        key = hashlib.sha256(voice.reference.tobytes() + voice.language.encode()).digest()
        if key not in self._prompts:
            if len(self._prompts) >= KEPT_PROMPTS:
                self._prompts.pop(next(iter(self._prompts)))
            self._prompts[key] = sampler.prompt_of(voice.reference, resolve(voice.language).id if voice.language else 0)
        return self._prompts[key]


def find(folder: Path, form: str) -> Path:
    """The prosody model of a form in an acoustic model's folder.

    Raises:
        UnavailableError: there is none.
    """
    place = Path(folder) / f"prosody-{form}"
    if (place / "config.json").is_file():
        return place
    raise UnavailableError(f"no {form} prosody model is installed.", where=place, code="prosody.missing",
                           fix="Speak with prosody by regression, or train one: python -m recipes train-prosody.")  # fmt: skip
