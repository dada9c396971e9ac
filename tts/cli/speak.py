"""Speech into files: one, or each of a list of texts."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import partial

from tts.base import files, strict_json
from tts.cli.manifest import open_manifest
from tts.cli.plan import Job, Plan, Text, check_folder
from tts.cli.work import run
from tts.workers import check_workers


@dataclass(frozen=True)
class Form:
    """How chunks of speech become a file."""

    format: str
    rate_hz: int
    bitrate: float | None = None
    dated: bool = False

    def write(self, target: str, chunks: Iterable, account, n_chars: int, rate: float, force: bool) -> None:
        """Write chunks as they come; ``account`` (``tts.speech.Account``) keeps what is told of them."""
        from tts.provenance import note
        from vocoder.audio import io
        from vocoder.audio.frames import SAMPLE_RATE

        samples = io.resample_chunks((account.add(chunk) for chunk in chunks), SAMPLE_RATE, self.rate_hz)
        record = note(lambda: self._dated(account.provenance()))
        large = self._may_pass_4_gib(n_chars, rate)
        io.write_audio(target, samples, self.rate_hz, self.format, self.bitrate, force, large, record)

    def _dated(self, record: dict) -> dict:
        return {**record, "created_utc": datetime.now(UTC).isoformat(timespec="seconds")} if record and self.dated else record

    def _may_pass_4_gib(self, n_chars: int, rate: float) -> bool:
        """Whether 16-bit samples of so many characters could, at a second each, pass what a plain WAV file holds."""
        return n_chars / rate * self.rate_hz * 2 > 0xFFFF0000


@dataclass(frozen=True)
class SpeakTask:
    """The settings that all texts of a list are spoken with."""

    form: Form
    model: str | None = None
    threads: int | None = 1
    request: dict = field(default_factory=dict)  # arguments of ``tts.api.Synthesizer.stream``
    voices: dict = field(default_factory=dict)  # what a line's ``voice`` means: a name or a ``tts.voice.Voice``

    def load(self) -> Callable[[Job, Callable], dict]:
        from tts.api import Synthesizer

        return partial(self._speak, Synthesizer(model=self.model, threads=self.threads))

    def line(self, facts: dict) -> str:
        return f"{facts['seconds']:.2f} s, {facts['language']}, voice {facts['voice']}, seed {facts['seed']}"

    def own(self, text: Text) -> dict:
        """The request of one text."""
        voice = {} if text.voice is None else {"voice": self.voices[text.voice]}
        return {**self.request, **voice, **({} if text.language is None else {"language": text.language})}

    def _speak(self, synthesizer, job: Job, progress: Callable) -> dict:
        from tts.speech import Account

        text, own, account = job.text.text, self.own(job.text), Account(())
        progress.of(None)
        self.form.write(job.target, synthesizer.stream(text, **own), account, len(text), own["controls"].rate, force=True)
        speech = account.speech()
        notes = [
            f"{note.kind} ({note.reason}) at {note.start}-{note.end}"
            for note in speech.notes
            if note.kind in ("dropped", "mapped", "language")
        ]
        return {"input": job.name, "output": job.target, "kept": False, "seconds": round(speech.duration, 6), "text": text,
                "language": speech.language, "voice": speech.voice, "seed": speech.seed, "notes": notes}  # fmt: skip


def speak_list(
    texts: list[Text], folder: str, task: SpeakTask, nj: int, ray: str | None, force: bool, quiet: bool, as_json: bool
) -> None:
    """Speak every text into ``folder/ID.FORMAT``, and list them in ``wav.scp`` and ``manifest.jsonl``.

    Raises:
        PartialError: Some failed; the next run tries them again.
        TtsError: see ``tts.cli.plan.check_folder``, ``tts.cli.manifest.open_manifest``, ``tts.cli.work.run``.
    """
    check_workers(nj, ray)
    check_folder(folder)
    jobs = tuple(Job(text.id, text.id, os.path.join(folder, f"{text.id}.{task.form.format}"), text) for text in texts)
    model = _model_id(task.model)

    def request(job: Job) -> str:
        facts = {"model": model, "text": job.text.text, **asdict(task.form), **task.own(job.text)}
        facts = {name: _content(name, value) for name, value in facts.items()}
        return hashlib.sha256(strict_json.dumps(facts, indent=None).encode()).hexdigest()[:32]

    plan = Plan(jobs, batch=True, folder=folder, list_file=os.path.join(folder, "wav.scp"))
    with open_manifest(folder, jobs, request, force) as manifest:
        run(plan, task, nj, quiet, as_json, ray, manifest)


def _model_id(model: str | None) -> str:
    from tts import registry
    from vocoder.nn.checkpoint import load_config

    return load_config(registry.default_acoustic() if model is None else registry.model_folder(model))["model_id"]


def _content(name: str, value):
    """A setting as JSON that tells its content: of a voice its numbers, of a lexicon its text."""
    if name == "controls":
        return asdict(value)
    if name == "lexicon" and value:
        return hashlib.sha256(files.read_text(value, 64 << 20).encode()).hexdigest()
    if hasattr(value, "reference"):  # a tts.voice.Voice
        arrays = (value.reference, value.style, value.tokens, value.speaker)
        return hashlib.sha256(b"".join(b"" if a is None else a.tobytes() for a in arrays)).hexdigest()
    return value
