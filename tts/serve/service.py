"""What is served, without a network: texts and recordings in, jobs of bytes out."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from functools import cached_property
from threading import Lock

from tts.api import Plan, Synthesizer
from tts.base import strict_json
from tts.base.errors import ResourceError, UnavailableError
from tts.base.limits import LIMITS
from tts.prosody import dumps, from_dict
from tts.provenance import note
from tts.serve.clones import Clones
from tts.serve.engine import Engine, Job
from tts.serve.recording import CloneRequest, EditRequest
from tts.serve.request import OPENAI_VOICES, SpeechRequest
from tts.speech import Speech, moved, rows
from tts.voice import Voice
from vocoder.audio.frames import HOP_LENGTH, SAMPLE_RATE
from vocoder.audio.io import encode_chunks, read_blocks

MEDIA_TYPES = {
    "wav": "audio/wav", "pcm": "audio/pcm", "flac": "audio/flac", "ogg": "audio/ogg", "opus": "audio/ogg", "mp3": "audio/mpeg",
    "sse": "text/event-stream", "ndjson": "application/x-ndjson", "json": "application/json",
}  # fmt: skip
_FRAMES = {"sse": "data: {}\n\n", "ndjson": "{}\n"}  # of an event

_EDIT_FACTS = ("duration", "segments_edited", "kept_samples", "warnings")
MAX_WARNINGS, MAX_WARNING = 10, 300  # of an edit, characters of one


class Service:
    """A synthesiser with its voices, the house codec, and the engine that both work on.

    Recordings are cloned and edited one at a time by a thread of their own: that takes seconds, in which nobody else is to wait
    for sound.

    Args:
        synthesizer: Speaks.
        engine: Works.
    """

    def __init__(self, synthesizer: Synthesizer, engine: Engine):
        self.synthesizer, self.engine = synthesizer, engine
        self.studio = Engine(queue=LIMITS.serve_recordings, streams=2 * LIMITS.serve_recordings)  # for recordings
        self.clones = Clones()
        self.model = synthesizer.folder.name
        self.infos = synthesizer.voices()
        self.voices = {info.name: synthesizer.voice(info.name) for info in self.infos}
        self._loading = Lock()

    def start(self) -> None:
        self.engine.start()
        self.studio.start()

    def drain(self) -> None:
        """Take nothing on, send away those who wait; what is spoken goes on."""
        self.engine.drain()
        self.studio.drain()

    def close(self) -> None:
        self.engine.close()
        self.studio.close()

    def warm(self) -> None:
        """Load all that speaking needs, and speak once."""
        self.synthesizer.warm()
        self.synthesizer.synth("Ready.", language="en-us")

    def describe_voices(self) -> list[dict]:
        """A row a voice; ``also`` are OpenAI's names for it."""
        also = {name: [theirs for theirs, ours in OPENAI_VOICES.items() if ours == name] for name in self.voices}
        return [{"id": info.name, **vars(info), "also": also[info.name]} for info in self.infos]

    def speak(self, asked: SpeechRequest) -> Job:
        """Audio of a text, or events with audio. ``facts`` of the job: ``voice``, ``language``, ``seed``."""
        return self.engine.submit(lambda job: self._spoken(asked, job))

    def prosody(self, asked: SpeechRequest) -> Job:
        """The prosody of a text, as the file that ``tts synth --prosody-out`` writes."""
        return self.engine.submit(lambda job: self._prosody(asked))

    def clone(self, asked: CloneRequest) -> Job:
        """A voice of a recording, and its id, as JSON."""
        return self.studio.submit(lambda job: self._cloned(asked))

    def edit(self, asked: EditRequest) -> Job:
        """The recording with its new words, as a file. ``facts`` of the job: ``edit``, ASCII JSON."""
        return self.studio.submit(lambda job: self._edited(asked, job))

    def voice(self, name: str | None) -> Voice | None:
        """The voice of a name or of a clone's id; None for None.

        Raises:
            UnavailableError: It is a clone that has been forgotten.
        """
        voice = self.voices.get(name) or self.clones.get(name)
        if voice is None and name is not None:
            raise UnavailableError("this cloned voice has been forgotten.", where="voice", code="voice.unknown",
                                   fix="Clone it again, or keep its file.")  # fmt: skip
        return voice

    def samples(self, asked: SpeechRequest) -> Job:
        """Raw 16-bit samples of a text at 24 kHz."""
        return self.engine.submit(lambda job: _coded(self._heard(asked, job), "pcm", job))

    def encode(self, recording: bytes, n_books: int | None = None) -> Job:
        """A token file of a recording."""
        return self.engine.submit(lambda job: self._encoded(recording, n_books, job))

    def decode(self, tokens: bytes, response_format: str, seed: int = 0) -> Job:
        """Audio of a token file."""
        return self.engine.submit(lambda job: self._decoded(tokens, response_format, seed, job))

    @cached_property
    def _codec(self):
        import tts.units  # noqa: F401 - a codec may have the aligner as its teacher
        from codec import Codec

        return Codec.load()

    def _loaded_codec(self):
        with self._loading:  # once, whoever comes first
            return self._codec

    def _heard(self, asked: SpeechRequest, job: Job) -> Iterator[Speech]:
        if asked.prosody is None:
            chunks = self.synthesizer.stream(asked.text, **self._manner(asked))
        else:
            chunks = self.synthesizer.render_stream(self._planned(asked))
        for chunk in chunks:
            names = ("voice", "language", "seed", "provenance", "notes")
            job.facts = {name: getattr(chunk, name) for name in names}
            _count(job, len(chunk.samples))
            yield chunk

    def _manner(self, asked: SpeechRequest) -> dict:
        return {"voice": self.voice(asked.voice), "language": asked.language, "controls": asked.controls, "seed": asked.seed,
                "phonemes": asked.phonemes}  # fmt: skip

    def _planned(self, asked: SpeechRequest) -> Plan:
        """The plan with the prosody that is asked for."""
        plan = from_dict(self.synthesizer.plan(asked.text, **self._manner(asked)), asked.prosody)
        for i, prosody in enumerate(plan.prosody, 1):
            seconds = float(prosody.durations.sum()) * HOP_LENGTH / SAMPLE_RATE
            if seconds > LIMITS.serve_clause_seconds:
                raise ResourceError(f"clause {i} lasts {seconds:.0f} s.", where="prosody", code="request.seconds",
                                    limit=LIMITS.serve_clause_seconds, fix="Give its phones fewer ms.")  # fmt: skip
        return plan

    def _prosody(self, asked: SpeechRequest) -> Iterator[bytes]:
        yield dumps(self.synthesizer.plan(asked.text, **self._manner(asked)), LIMITS.serve_prosody_bytes).encode()

    def _cloned(self, asked: CloneRequest) -> Iterator[bytes]:
        voice = self.synthesizer.clone(asked.audio, consent=asked.consent, name=asked.name, language=asked.language or None)
        facts = {
            "id": self.clones.add(voice), "name": voice.name, "language": voice.language, "consent": voice.consent,
            "seconds": round(len(voice.reference) * HOP_LENGTH / SAMPLE_RATE, 2),
            "warnings": [{"code": code, "message": sentence} for code, sentence in voice.report.warnings],
            "forgotten_after_seconds": LIMITS.serve_clone_seconds,
        }  # fmt: skip
        yield strict_json.dumps(facts, indent=None).encode()

    def _edited(self, asked: EditRequest, job: Job) -> Iterator[bytes]:
        edited = self.synthesizer.edit(
            asked.audio, asked.text, to=asked.to, language=asked.language, consent=asked.consent, seed=asked.seed,
            candidates=asked.candidates,
        )  # fmt: skip
        told = {name: value for name, value in edited.to_dict().items() if name in _EDIT_FACTS}
        told["warnings"] = [warning[:MAX_WARNING] for warning in told["warnings"][:MAX_WARNINGS]]  # a header is short
        job.facts = {"edit": json.dumps(told)}
        job.seconds = edited.duration
        yield edited.to_bytes(asked.response_format)

    def _spoken(self, asked: SpeechRequest, job: Job) -> Iterator[bytes]:
        chunks = self._heard(asked, job)
        if asked.stream_format == "audio":
            yield from _coded(chunks, asked.response_format, job)
            return
        told: list[dict] = []  # events that belong before the next sound
        phones = 0

        def noted():
            nonlocal phones
            for chunk in chunks:
                phones += len(chunk.phones)
                if asked.timings and chunk.chunks:
                    told.append(_timings(chunk, job.seconds - chunk.duration))
                yield chunk

        def framed(events: list[dict]) -> bytes:
            lines = (strict_json.dumps(event, indent=None) for event in events)
            return "".join(_FRAMES[asked.stream_format].format(line) for line in lines).encode()

        for data in _coded(noted(), asked.response_format, job):
            sound = [{"type": "speech.audio.delta", "audio": base64.b64encode(data).decode()}] if data else []
            yield framed(told + sound)
            told.clear()
        frames = round(job.seconds * SAMPLE_RATE / HOP_LENGTH)
        yield framed([{
            "type": "speech.audio.done",
            "usage": {"input_tokens": phones, "output_tokens": frames, "total_tokens": phones + frames},  # phones, frames
            "seconds": round(job.seconds, 4),
            **job.facts,
            "notes": [vars(each) for each in job.facts["notes"]],
        }])  # fmt: skip

    def _encoded(self, recording: bytes, n_books: int | None, job: Job) -> Iterator[bytes]:
        def heard():
            for block in read_blocks(recording, max_seconds=LIMITS.serve_audio_seconds):
                job.seconds += len(block) / SAMPLE_RATE
                yield block

        yield from self._loaded_codec().encode_stream(heard(), n_books)

    def _decoded(self, tokens: bytes, response_format: str, seed: int, job: Job) -> Iterator[bytes]:
        from codec.tokenfile import TokenReader

        codec = self._loaded_codec()

        def heard():
            for samples in codec.decode_stream(TokenReader(io.BytesIO(tokens), "<tokens>"), seed):
                _count(job, len(samples))
                yield samples

        yield from encode_chunks(heard(), SAMPLE_RATE, response_format)


def _count(job: Job, n_samples: int) -> None:
    job.seconds += n_samples / SAMPLE_RATE
    if job.seconds > LIMITS.serve_audio_seconds:
        raise ResourceError(f"more than {LIMITS.serve_audio_seconds:g} s of sound.", where="request", code="request.seconds",
                            limit=LIMITS.serve_audio_seconds, fix="Ask in parts.")  # fmt: skip


def _coded(chunks: Iterator[Speech], format: str, job: Job) -> Iterator[bytes]:
    """The bytes of the chunks as a file with its provenance record."""
    samples = (chunk.samples for chunk in chunks)
    return encode_chunks(samples, SAMPLE_RATE, format, note=note(lambda: job.facts["provenance"]))


def _timings(chunk: Speech, start: float) -> dict:
    spans = {"words": chunk.words, "phones": chunk.phones, "clauses": chunk.chunks}
    return {"type": "speech.timings", **{name: rows(moved(found, start)) for name, found in spans.items()}}

