"""The synthesiser: text in, speech out; clause by clause, so that a stream, a batch and one call give the same samples.

    text ──frontend──▶ clauses of phones ──plan──▶ durations, pitch, energy ──acoustic──▶ mel, F0 ──vocoder──▶ samples

Noise is keyed by (seed, clause), never drawn from a global generator; every clause is computed alone, whatever
surrounds it. So the same text, voice and seed give the same samples on the same machine.
"""

from __future__ import annotations

import difflib
import hashlib
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace
from itertools import chain, groupby, pairwise
from numbers import Integral, Real
from pathlib import Path

import numpy as np

from tts import registry
from tts.base.errors import ModelError, UnavailableError, UsageError
from tts.payload import payload_of
from tts.provenance import record, unmarked
from tts.speech import Span, Speech, join
from tts.voice import Voice, VoiceInfo
from tts.voicefile import NAME
from vocoder.audio.frames import HOP_LENGTH, SAMPLE_RATE, frames_to_seconds

SENTENCE_PAUSE, PARAGRAPH_PAUSE = 0.15, 0.45  # seconds added after a sentence and a paragraph, at rate 1
PROJECTIONS = 2  # of the house vocoder on predicted mels, which are smoother than natural ones: more of them dull the sound
FADE = 120  # samples of fade at both ends of a clause
KEPT_COLOURS = 64  # of cloned voices that a synthesiser remembers
MAX_SILENCE = 10 * SAMPLE_RATE  # samples of a chunk: pauses may add up to hours


def check_range(name: str, value, low, high, kind: type = Real) -> None:
    """Refuse a number outside [low, high], or what is no number of the kind."""
    if isinstance(value, bool) or not isinstance(value, kind) or not low <= value <= high:
        raise UsageError(f"{name} is {value!r:.80}; it goes from {low} to {high}.", where=name, code=f"controls.{name}")


@dataclass(frozen=True)
class Controls:
    """How to speak. Validated here, for Python, command line and server alike."""

    rate: float = 1.0  # speaking rate: 2 is twice as fast
    pitch_st: float = 0.0  # semitones
    energy_db: float = 0.0
    pitch_range: float = 1.0  # 0 is monotone, 2 doubles every rise and fall

    def __post_init__(self):
        limits = (("rate", 0.25, 4.0), ("pitch_st", -12.0, 12.0), ("energy_db", -12.0, 12.0), ("pitch_range", 0.0, 3.0))
        for name, low, high in limits:
            check_range(name, getattr(self, name), low, high)


@dataclass(frozen=True, eq=False)
class Plan:
    """A text as it will be spoken: clauses of phones, each with durations, pitch and energy. Editable by ``replace``."""

    analysis: object  # frontend.Analysis
    clauses: tuple  # frontend.Phones
    prosody: tuple  # tts.models.variance.PhonePlan, one a clause
    voice: Voice
    seed: int
    rate: float = 1.0
    steps: int | None = None
    guidance: float | None = None
    solver: str | None = None


@dataclass(frozen=True, eq=False)
class _Manner:
    """How the clauses of one request are spoken."""

    voice: Voice
    tensors: object  # tts.models.variance.VoiceTensors
    controls: Controls
    seed: int
    steps: int | None
    guidance: float | None
    solver: str | None
    provenance: dict = field(default_factory=dict)  # the record of what is spoken; it says whether the watermark is applied
    accent: str = ""  # tag of the language whose speakers' accent is taken on; none when empty
    director: object = None  # tts.sampler.Director: how clauses are said

    def pronounced(self, clauses: Iterable) -> Iterator:
        """The clauses with the accent."""
        from frontend.accent import accented

        return (accented(clause, self.accent) for clause in clauses) if self.accent else iter(clauses)


@dataclass(frozen=True)
class Plain:
    """A text that nobody has read."""

    text: str
    language: str


class Synthesizer:
    """Speaks text. Weights are loaded at first use; one object may be used for any number of texts.

    Args:
        model: "megatts", "fs2" or a model folder; the house default when None.
        threads: torch's thread count for this process; left alone when None.

    >>> from tts.api import Synthesizer
    >>> speech = Synthesizer().synth("Hello.", language="en")
    >>> speech.sample_rate
    24000
    """

    def __init__(self, model: str | Path | None = None, threads: int | None = None):
        self.folder = registry.default_acoustic() if model is None else registry.model_folder(model)
        self.threads = threads
        self._acoustic = self._vocoder = self._config = self._mark = self._directors = None
        self._colours: dict = {}  # of cloned voices
        self._loading = 0.0  # seconds that loading took

    def synth(self, text: str, **request) -> Speech:
        """Speak a text.

        Args:
            text: Any text up to 1 MiB.
            voice: Name of a house voice, or a :class:`tts.voice.Voice`; the language's first voice when None.
            language: Tag such as "de"; "auto" detects it.
            controls: :class:`Controls`.
            phonemes: The text is IPA, words between spaces.
            lexicon: A :class:`frontend.Lexicon`, or the path of its TSV file.
            seed: Of every random choice.
            accent: "native" speaks the text's language as it is; "speaker" with the accent of the voice's own language.
            prosody: "regression" predicts the likeliest; "causal" and "masked" draw from prosody models, for models with prosody
                codes (``megatts``); with "causal+durations" the causal model tells the durations too.
            prosody_voice, prosody_strength: Another voice whose manner is mixed in, 0 to 1; by the causal prosody model.
            steps, guidance: Of the solver of ``flow`` and ``infill``, or passes and guidance of ``masked``; the model's defaults
                when None.
            solver: "euler", "midpoint", or "bespoke" where the model has one of so many steps; None takes the best there is.
            watermark: False leaves the inaudible watermark out; then a ``reason`` is needed, which files of it carry.

        Raises:
            TtsError: see ``tts.base.errors``; nothing else is raised for bad input.
        """
        return join(self.stream(text, **request))

    def stream(self, text: str, **request) -> Iterator[Speech]:
        """The same samples as :meth:`synth`, in chunks of a few seconds as soon as each is ready.

        ``metrics`` of a chunk count from the call on; loading the weights and what the caller does are left out.
        """
        started, loading = time.perf_counter(), self._loading
        reading, manner = self._begin(text, **request)
        wall, first, seconds = loading - self._loading, None, 0.0
        clauses = ((clause, self._prosody(i, clause, manner)) for i, clause in enumerate(manner.pronounced(reading)))
        for chunk in self._spoken(reading, clauses, manner):
            wall += time.perf_counter() - started
            first, seconds = first or wall, seconds + chunk.duration
            yield replace(chunk, metrics={"wall_s": wall, "first_audio_s": first, "rtf": wall / max(seconds, 1e-9)})
            started = time.perf_counter()

    def batch(self, items: Iterable[str | dict], **request) -> Iterator[Speech]:
        """Speak many texts in order. An item is a text, or a dict with ``text`` and arguments of :meth:`synth`."""
        for item in items:
            own = {"text": item} if isinstance(item, str) else dict(item)
            yield self.synth(**{**request, **own})

    def plan(self, text: str, **request) -> Plan:
        """What :meth:`synth` would speak, before it does: for a look, or to edit durations and pitch."""
        reading, manner = self._begin(text, **request)
        analysis = reading.analysis()
        clauses = tuple(manner.pronounced(analysis.clauses))
        prosody = tuple(replace(self._prosody(i, clause, manner), forecast=None) for i, clause in enumerate(clauses))
        return Plan(analysis, clauses, prosody, manner.voice, manner.seed, manner.controls.rate, manner.steps,
                    manner.guidance, manner.solver)  # fmt: skip

    def render(self, plan: Plan, watermark: bool = True, reason: str = "") -> Speech:
        """Speak a plan, as it was made or edited; ``watermark`` and ``reason`` as of :meth:`synth`.

        Raises:
            DataError: The edited durations, pitch or energy cannot be spoken.
        """
        return join(self.render_stream(plan, watermark, reason))

    def render_stream(self, plan: Plan, watermark: bool = True, reason: str = "") -> Iterator[Speech]:
        """The same samples as :meth:`render`, in chunks as :meth:`stream`; errors come with the first."""
        self._load()
        for clause, phone_plan in zip(plan.clauses, plan.prosody, strict=True):
            phone_plan.check(len(clause))
        tensors, controls = self._voice_tensors(plan.voice), Controls(rate=plan.rate)
        made = self._record(plan.analysis, plan.voice, plan.seed, watermark, reason)
        manner = _Manner(plan.voice, tensors, controls, plan.seed, plan.steps, plan.guidance, plan.solver, made)
        yield from self._spoken(plan.analysis, zip(plan.clauses, plan.prosody, strict=True), manner)

    def copy_prosody(self, plan: Plan, recording) -> tuple[Plan, list[str]]:
        """A plan with the prosody of a recording of its text, and what makes that doubtful; see :mod:`tts.prosody`."""
        from tts.prosody import copy_prosody

        self._load()
        return copy_prosody(plan, recording, codes_of(self._acoustic))

    def edit(self, audio, text: str, watermark: bool = True, reason: str = "", **changes):
        """A recording with other words, where it is edited, and the same samples everywhere else.

        Args:
            audio: Path, bytes, or (samples, rate) of one person's speech, one channel, up to 2 minutes.
            text: What is said in it.
            replace: Pairs (words, new words); the words stand once in the text, else give their neighbours too.
            insert_after: Pairs (words, new words).
            delete: Words.
            to: The whole new text, instead of the three above.
            language, lexicon: As for :meth:`synth`.
            consent: Of the person who speaks: who agreed, how and when. Required.
            candidates: Prosodies that are drawn; the best is kept.
            seed: Of the draw and of the noise.
            watermark, reason: As for :meth:`synth`; the mark is in what is said anew.

        Returns:
            tts.edit.Edited: samples in the recording's own rate and format, edited stretches, joins.

        Raises:
            NotPermittedError: No consent is given.
            DataError: The words are not in the text, the recording has several channels, is too long, or no speech.
        """
        from tts.edit import edit_recording
        from tts.edit.region import Speaker

        def speaker_of(voice: Voice) -> Speaker:
            self._load()
            speaker = Speaker.of(self._acoustic, self._vocoder, self._voice_tensors(voice), self.folder)
            payload = payload_of(self._config["model_id"])
            return replace(speaker, mark=lambda mel: self._mark.apply(mel, 0, payload)) if watermark else speaker

        left_out = None if watermark else unmarked(reason)
        edited = edit_recording(speaker_of, audio, text, **changes)
        model_id = self._config["model_id"]
        made = record(
            model_id=model_id, voice=edited, language=edited.language, text=edited.text, seed=edited.seed,
            watermark=left_out or self._mark.facts(payload_of(model_id)), segments_edited=[edit.new for edit in edited.edits],
        )  # fmt: skip
        return replace(edited, provenance=made)

    def _begin(
        self,
        text: str,
        *,
        voice: str | Voice | None = None,
        language: str = "auto",
        controls: Controls = Controls(),
        phonemes: bool = False,
        lexicon=None,
        seed: int = 0,
        accent: str = "native",
        prosody: str = "regression",
        prosody_voice: str | Voice | None = None,
        prosody_strength: float = 0.5,
        steps: int | None = None,
        guidance: float | None = None,
        solver: str | None = None,
        watermark: bool = True,
        reason: str = "",
    ) -> tuple:
        """(frontend.Reading, _Manner) of a request; nothing is phonemised yet."""
        import frontend

        if not watermark:
            unmarked(reason)  # refused before any work

        check_range("seed", seed, -(2**63), 2**64, Integral)
        check_range("steps", 1 if steps is None else steps, 1, 128, Integral)
        check_range("guidance", 0 if guidance is None else guidance, 0, 10)
        if not isinstance(controls, Controls):
            raise UsageError(f"controls are {controls!r:.80}.", where="controls", fix="Give tts.Controls(rate=1.2, ...).")
        if not isinstance(language, str):
            raise UsageError(f"language is {language!r:.80}.", where="language", fix='Give a tag such as "de", or "auto".')
        if isinstance(lexicon, str | Path):
            lexicon = frontend.Lexicon.load(lexicon)
        if lexicon is not None and not isinstance(lexicon, frontend.Lexicon):
            raise UsageError(f"lexicon is {lexicon!r:.80}.", where="lexicon", fix="Give a frontend.Lexicon or its file's path.")
        reading = frontend.read(text, language, lexicon=lexicon, phonemes=phonemes)
        self._load()
        asked = [name for name, value in (("steps", steps), ("guidance", guidance), ("solver", solver)) if value is not None]
        passes = ("steps", "guidance") if self._acoustic.kind == "masked" else ()
        refused = [] if hasattr(self._acoustic, "solvers") else [name for name in asked if name not in passes]
        if refused:
            raise UsageError(f"{self._acoustic.kind} has no solver.", where=refused[0], code=f"controls.{refused[0]}",
                             fix=f"Leave {refused[0]} out, or take a flow or infill model.")  # fmt: skip
        if solver is not None:
            from tts.models.solver import choose

            choose(self._acoustic.solvers, self._acoustic.config.solver, steps or self._acoustic.config.steps, solver)
        if reading.language not in self._config["minutes"]:
            heard = ", ".join(sorted(self._config["minutes"]))
            reading.note("language", "unheard", f"the model never heard {reading.language}; it knows {heard}")
        if not isinstance(voice, Voice):
            voice = self.voice(voice, reading.language)
        own = self._accent(accent, voice, reading)
        made = self._record(reading, voice, int(seed), watermark, reason)
        other = prosody_voice if prosody_voice is None or isinstance(prosody_voice, Voice) else self.voice(prosody_voice)
        check_range("prosody_strength", prosody_strength, 0, 1)
        director = self._directors.director(prosody, voice, other, prosody_strength, int(seed))
        tensors = self._voice_tensors(voice)
        return reading, _Manner(voice, tensors, controls, int(seed), steps, guidance, solver, made, own, director)

    def _record(self, source, voice: Voice, seed: int, watermark: bool, reason: str) -> dict:
        """The provenance record of a request; ``source`` has text and language."""
        model_id = self._config["model_id"]
        facts = self._mark.facts(payload_of(model_id)) if watermark else unmarked(reason)
        return record(model_id=model_id, voice=voice, language=source.language, text=source.text, seed=seed, watermark=facts)

    def _accent(self, accent: str, voice: Voice, reading) -> str:
        """Tag of the language whose accent is asked for; empty, with a note where one was asked for, when none can be given."""
        from frontend.accent import native_of

        if accent not in ("native", "speaker"):
            raise UsageError(f"accent is {accent!r:.40}.", where="accent", code="controls.accent", fix="Give native or speaker.")
        native = native_of(voice.language) if accent == "speaker" else None
        if accent == "native" or (native and native.language.tag == reading.language):
            return ""
        if native is None or native.language.tag not in self._config["minutes"]:
            of = f"{voice.language}: no habits of its speakers are known" if voice.language else "unknown"
            reading.note("language", "accent", f"spoken without accent: the voice's own language is {of}")
            return ""
        return native.language.tag

    def convert(self, audio, voice: str | Voice, *, text: str | None = None, language: str = "auto", **request) -> Speech:
        """A recording in another voice: its words, timing, pitch contour and loudness, as many samples.

        Args:
            audio: Path, the file's bytes, or (samples, sample rate).
            voice: Name of a house voice, or a :class:`tts.voice.Voice`.
            text, language: What is said, where it is known: its phones are then exact. Of a few minutes at most.
            pitch: "auto" moves the median to the voice's own, "keep" leaves it, a number moves it by semitones.
            seed: Of the vocoder's noise.
            content: Folder of the content adapter; the model's own when None.
            watermark, reason: As of :meth:`synth`.

        Raises:
            DataError: It is no audio, silent, or cannot hold the text.
            ModelError: The content adapter belongs to another model.
        """
        from tts.convert import convert
        from vocoder.audio.io import read_audio

        return convert(self, read_audio(audio), voice, text=text, language=language, **request)

    def convert_stream(self, blocks: Iterable[np.ndarray], voice: str | Voice, **request) -> Iterator[Speech]:
        """As :meth:`convert`, of samples at 24 kHz in blocks [S_i], for hours in little memory; without a text."""
        from tts.convert import convert_stream

        return convert_stream(self, blocks, voice, **request)

    def converter(self, voice: str | Voice, text: str = "", language: str = "", seed: int = 0, content=None,
                  watermark: bool = True, reason: str = "") -> tuple:  # fmt: skip
        """(``tts.convert.Converter``, Voice, VoiceTensors, provenance record) of one conversion."""
        from tts.convert import Converter

        check_range("seed", seed, -(2**63), 2**64, Integral)
        if not watermark:
            unmarked(reason)  # refused before any work
        self._load()
        who = voice if isinstance(voice, Voice) else self.voice(voice)
        made = self._record(Plain(text, language), who, int(seed), watermark, reason)
        payload = payload_of(self._config["model_id"])
        mark = (lambda mel, first: self._mark.apply(mel, first, payload)) if watermark else None
        converter = Converter(self._acoustic, self._config, self._vocoder, self.folder, content, who.pitch and who.pitch[0], mark)
        return converter, who, self._voice_tensors(who), made

    def voices(self) -> list[VoiceInfo]:
        """The voices of this model, most minutes first within a language."""
        rows = [VoiceInfo.read(path) for _, path in sorted(self._voice_files().items())]
        return sorted(rows, key=lambda row: (row.language, -row.minutes, row.name))

    def voice(self, name: str | None, language: str = "en-us") -> Voice:
        """A house voice by name; None takes the first of the language, or of all when the language has none."""
        folder = self.folder / "voices"
        if name is None:
            rows = self.voices()
            if not rows:
                raise UnavailableError("this model has no voices.", where=folder, code="voice.none")
            of_language = [row for row in rows if row.language == language]
            name = (of_language or sorted(rows, key=lambda row: -row.minutes))[0].name
        found = self._voice_files()
        if not isinstance(name, str) or name not in found:
            near = difflib.get_close_matches(str(name), found, n=1)
            hint = f"Did you mean {near[0]!r}?" if near else f"Voices: {', '.join(sorted(found))}."
            raise UnavailableError(f"voice {str(name)!r} does not exist.", where="voice", fix=hint, code="voice.unknown")
        return Voice.load(found[name])

    def _voice_files(self) -> dict[str, Path]:
        """Name -> file of the voices that lie in the model's folder; a link that leads out of it is none."""
        folder = (self.folder / "voices").resolve()
        paths = (path for path in folder.glob("*.safetensors") if NAME.fullmatch(path.stem))
        return {path.stem: path for path in paths if path.resolve().parent == folder and path.is_file()}

    def clone(self, audio, *, consent=None, name: str | None = None, language: str | None = None) -> Voice:
        """A voice of recordings of one person: :meth:`tts.voice.Voice.from_audio`; ``language`` as the person speaks there."""
        from frontend.languages import resolve

        return Voice.from_audio(audio, consent=consent, name=name, language=resolve(language).tag if language else "")

    def fit(self, voice: Voice, recordings, texts=None, *, steps: int | None = None) -> Voice:
        """A cloned voice fitted to its recordings, for this model alone: :mod:`tts.fit`.

        Args:
            voice: Made of these recordings by :meth:`clone`.
            recordings: As for :meth:`clone`; the first 30 s are used.
            texts: What is said in each, one text a recording; without, the phones that the recogniser hears are taken.
            steps: Of gradient descent; a quarter of a second each.

        Raises:
            DataError: a text is not that of its recording in length, or there are not as many as recordings.
            UsageError: the model is a ``flow``.
        """
        from tts.fit import STEPS, fit, prepared

        self._load()
        pieces = prepared(recordings, texts, voice.language)
        fitted = fit(self._acoustic, replace(self._voice_tensors(voice), colour=None), pieces, STEPS if steps is None else steps)
        style, tokens = fitted.tensors.style.numpy(), fitted.tensors.tokens.numpy()
        return replace(voice, style=style, tokens=tokens, model_id=self._config["model_id"])

    def features(self, text: str, **request) -> tuple[np.ndarray, np.ndarray]:
        """Mel [T, 100] and F0 [T] of a text's clauses, as the vocoder would get them but without watermark."""
        reading, manner = self._begin(text, **request)
        found = []
        for i, clause in enumerate(manner.pronounced(reading)):
            plan = self._prosody(i, clause, manner)
            found.append(self._acoustic.infer(clause, manner.tensors, plan, noise=(manner.seed, i))[:2])
        mel, f0 = zip(*found, strict=True)
        return np.concatenate([each.numpy() for each in mel]), np.concatenate([each.numpy() for each in f0])

    def style(self, voice: Voice) -> np.ndarray:
        """Style vector [style_dim] of a voice with this model; errors as for speaking with it."""
        self._load()
        return self._voice_tensors(voice).style.numpy()

    @property
    def model_id(self) -> str:
        """Hash of the acoustic model."""
        self._load()
        return self._config["model_id"]

    def warm(self, language: str = "en-us") -> None:
        """Load everything now rather than at the first text: weights, phonemiser, readings, the detector of languages."""
        import frontend
        from frontend import g2p
        from frontend.languages import resolve

        g2p.warm()  # the worker starts while the weights are read
        self._load()
        frontend.analyze("This sentence is long enough to be told from other languages.", "en-us")
        if resolve(language).tag == "cmn":
            frontend.analyze("你好。", language)

    def _load(self) -> None:
        if self._acoustic is not None:
            return
        started = time.perf_counter()
        import torch

        from tts.models import load_acoustic
        from tts.sampler import Directors
        from tts.watermark import Mark

        if self.threads:
            torch.set_num_threads(self.threads)
        self._mark = Mark.load()
        self._acoustic, self._config = load_acoustic(self.folder)
        self._directors = Directors(self.folder, self._acoustic)
        self._vocoder = getattr(self._acoustic, "vocoder", None) or self._own_vocoder()
        self._loading = time.perf_counter() - started

    def _own_vocoder(self):
        """The vocoder in the model's folder, else the house vocoder; by the engine that was measured to be best here."""
        from tts.engine import chosen, engage

        vocoder = self.fresh_vocoder()
        weights, graphs = vocoder.config["model_id"], self.graphs_of(vocoder)
        engage(vocoder.model, chosen(weights, graphs), graphs, self._acoustic)
        return vocoder

    def graphs_of(self, vocoder) -> Path:
        """Where the ONNX graphs of this model with this vocoder lie, once they are exported."""
        from tts.graphs import place

        self._load()
        return place(self._config["model_id"], vocoder.config["model_id"])

    def fresh_vocoder(self):
        """The vocoder as its folder has it, in float32."""
        from vocoder.api import Vocoder

        own = self.folder / "vocoder"
        return Vocoder.load(own) if own.is_dir() else Vocoder.load(projections=PROJECTIONS)

    def _voice_tensors(self, voice: Voice):
        import torch

        from tts.models.reference import reference_crop

        if voice.style is not None and voice.model_id != self._config["model_id"]:
            raise ModelError(
                f"voice {voice.name!r} belongs to model {voice.model_id}; loaded is {self._config['model_id']}.",
                fix="Make the voice again from its recording, or pass the model it was made for with --model.",
                code="voice.model",
            )
        size = self._acoustic.variance.style_dim
        if voice.style is not None and voice.style.shape != (size,):
            raise ModelError(f"voice {voice.name!r} has {voice.style.shape} style values, not {size}.", code="voice.format")
        own = voice.style is not None and voice.tokens is None  # a house voice, or a mix
        with torch.inference_mode():
            mel = torch.from_numpy(voice.reference)
            tensors = self._acoustic.variance.voice(reference_crop(mel) if own else mel)
            given = {name: torch.from_numpy(a) for name in ("style", "tokens") if (a := getattr(voice, name)) is not None}
            tensors = replace(tensors, **given)
        return tensors if own else replace(tensors, colour=self._colour(voice, tensors))

    def _colour(self, voice: Voice, tensors):
        """The colour of a cloned voice, found once."""
        from tts.colour import colour

        key = hashlib.sha256(voice.reference.tobytes() + tensors.style.numpy().tobytes()).digest()
        if key not in self._colours:
            if len(self._colours) >= KEPT_COLOURS:
                self._colours.pop(next(iter(self._colours)))
            self._colours[key] = colour(self._acoustic, tensors, voice.reference)
        return self._colours[key]

    def _prosody(self, i: int, clause, manner: _Manner):
        return manner.director.plan(i, clause, manner.tensors, **asdict(manner.controls))

    def _spoken(self, source, clauses: Iterable[tuple], manner: _Manner) -> Iterator[Speech]:
        """Chunks of all clauses, given as (Phones, PhonePlan); ``source`` has text, language and notes."""
        spoken = 0  # samples
        for i, (clause, following) in enumerate(pairwise(chain(clauses, [None]))):
            for chunk in self._speak(source, i, *clause, manner, is_last=following is None, start=spoken):
                spoken += len(chunk.samples)
                yield chunk

    def _speak(self, source, i: int, clause, phone_plan, manner: _Manner, is_last: bool, start: int) -> Iterator[Speech]:
        """Clause i, which begins at sample ``start``, in chunks, then the pause behind it. The first chunk carries the timings
        of the whole clause.
        """
        mel, f0, *hint = self._acoustic.infer(
            clause, manner.tensors, phone_plan, steps=manner.steps, guidance=manner.guidance, solver=manner.solver,
            noise=(manner.seed, i),
        )  # fmt: skip
        words, phones = timings(clause, phone_plan.durations)
        span = (int(clause.spans[:, 0].min()), int(clause.spans[:, 1].max()))
        whole = Span(as_written(clause, span), 0.0, frames_to_seconds(len(f0)), span, clause.normalized.strip())
        chunk = Speech(
            samples=np.zeros(0, dtype=np.float32),
            text=source.text,
            language=source.language,
            voice=manner.voice.name,
            seed=manner.seed,
            words=words,
            phones=phones,
            chunks=(whole,),
            notes=source.notes,
            prosody=(replace(phone_plan, forecast=None),),  # a book's plans are kept
            provenance=manner.provenance,
        )
        mel = mel.numpy()
        if manner.provenance["watermark"]["applied"]:
            first = round((start + clause.pause_before * SAMPLE_RATE) / HOP_LENGTH)
            mel = self._mark.apply(mel, first, payload_of(self._config["model_id"]))
        pause = clause.pause_after + (0.0 if is_last else gap(clause) / manner.controls.rate)
        done, total = 0, len(f0) * HOP_LENGTH
        yield from silence(chunk, clause.pause_before)
        extra = hint[0].numpy() if hint else None
        for wav in self._vocoder.stream(mel, f0.numpy(), manner.seed, ("vocoder", i), extra):
            fade_in, done = done == 0, done + len(wav)
            yield replace(chunk, samples=limited(faded(wav, fade_in, done == total)))
            chunk = replace(chunk, words=(), phones=(), chunks=(), prosody=())
        yield from silence(chunk, pause)


def codes_of(acoustic):
    """(mel [T, 100], durations [N]) -> prosody codes [N], of an acoustic model that has them; else None."""
    import torch

    if not hasattr(acoustic.variance, "codes_of"):
        return None
    return lambda mel, durations: acoustic.variance.codes_of(torch.from_numpy(mel), durations).numpy()


def silence(chunk: Speech, seconds: float) -> Iterator[Speech]:
    """A pause in chunks of bounded size, without timings."""
    chunk, left = replace(chunk, words=(), phones=(), chunks=(), prosody=()), round(seconds * SAMPLE_RATE)
    for start in range(0, left, MAX_SILENCE):
        yield replace(chunk, samples=np.zeros(min(MAX_SILENCE, left - start), dtype=np.float32))


def gap(clause) -> float:
    """Seconds of silence to add after a clause that is not the last: none inside a sentence."""
    if clause.paragraph_end:
        return PARAGRAPH_PAUSE
    from frontend.inventory import symbol_to_id

    ends = {symbol_to_id(mark) for mark in ".?!"}
    return SENTENCE_PAUSE if any(int(i) in ends for i in clause.ids[-2:]) else 0.0


def faded(wav: np.ndarray, fade_in: bool, fade_out: bool) -> np.ndarray:
    """A few milliseconds of fade at the ends of a clause, so that clauses join without a click."""
    n = min(FADE, len(wav) // 2)
    ramp = np.linspace(0, 1, n, dtype=np.float32)
    wav = wav.copy()
    if fade_in:
        wav[:n] *= ramp
    if fade_out:
        wav[len(wav) - n :] *= ramp[::-1]
    return wav


def limited(wav: np.ndarray) -> np.ndarray:
    """Peaks above 0.9 bent towards 1, sample by sample: loud speech saturates softly instead of clipping."""
    over = np.maximum(np.abs(wav) - 0.9, 0)
    return np.where(over > 0, np.sign(wav) * (0.9 + 0.1 * np.tanh(over / 0.1)), wav).astype(np.float32)


def timings(clause, durations: np.ndarray) -> tuple[tuple[Span, ...], tuple[Span, ...]]:
    """Times of words and phones (pauses without frames left out) from frame counts."""
    from frontend.inventory import id_to_symbol

    ends = [frames_to_seconds(end) for end in [0, *np.cumsum(durations).tolist()]]
    phones = tuple(
        Span(id_to_symbol(int(clause.ids[n])), ends[n], ends[n + 1], _pair(clause.spans[n]))
        for n in range(len(clause.ids))
        if durations[n] > 0
    )
    words = []
    for source, group in groupby(clause.words, key=lambda word: (word.start, word.end)):  # "$3" is two spoken words
        said = list(group)
        first, last = said[0].first_phone, said[-1].last_phone
        if last > first:
            spoken = " ".join(word.text for word in said)
            words.append(Span(as_written(clause, source), ends[first], ends[last], source, spoken))
    return tuple(words), phones


def as_written(clause, span: tuple[int, int]) -> str:
    """A stretch of the raw text on one line."""
    return " ".join(clause.text[slice(*span)].split())


def _pair(span) -> tuple[int, int]:
    return int(span[0]), int(span[1])
