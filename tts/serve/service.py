"""What is served, without a network: texts and recordings in, jobs of bytes out."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from functools import cached_property
from threading import Lock

from tts.api import Synthesizer
from tts.base import strict_json
from tts.base.errors import ResourceError
from tts.base.limits import LIMITS
from tts.provenance import note
from tts.serve.engine import Engine, Job
from tts.serve.request import OPENAI_VOICES, SpeechRequest
from tts.speech import Speech, moved, rows
from vocoder.audio.frames import HOP_LENGTH, SAMPLE_RATE
from vocoder.audio.io import encode_chunks, read_blocks

MEDIA_TYPES = {
    "wav": "audio/wav", "pcm": "audio/pcm", "flac": "audio/flac", "ogg": "audio/ogg", "opus": "audio/ogg", "mp3": "audio/mpeg",
    "sse": "text/event-stream", "ndjson": "application/x-ndjson",
}  # fmt: skip
_FRAMES = {"sse": "data: {}\n\n", "ndjson": "{}\n"}  # of an event


class Service:
    """A synthesiser with its voices, the house codec, and the engine that both work on.

    Args:
        synthesizer: Speaks.
        engine: Works.
    """

    def __init__(self, synthesizer: Synthesizer, engine: Engine):
        self.synthesizer, self.engine = synthesizer, engine
        self.model = synthesizer.folder.name
        self.infos = synthesizer.voices()
        self.voices = {info.name: synthesizer.voice(info.name) for info in self.infos}
        self._loading = Lock()

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
        voice = None if asked.voice is None else self.voices[asked.voice]
        chunks = self.synthesizer.stream(
            asked.text, voice=voice, language=asked.language, controls=asked.controls, seed=asked.seed, phonemes=asked.phonemes
        )
        for chunk in chunks:
            names = ("voice", "language", "seed", "provenance", "notes")
            job.facts = {name: getattr(chunk, name) for name in names}
            _count(job, len(chunk.samples))
            yield chunk

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

