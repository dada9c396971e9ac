"""Every limit of parlance, once. ``tts limits`` prints this table; the code that enforces a limit reads it here."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

MIB = 1 << 20


def _limit(default, unit: str, meaning: str, enforced: str):
    return field(default=default, metadata={"unit": unit, "meaning": meaning, "enforced": enforced})


@dataclass(frozen=True)
class Limits:
    """Defaults chosen so that a hostile file or text costs seconds and megabytes, not hours and gigabytes."""

    text_bytes: int = _limit(MIB, "bytes", "text of one call, UTF-8", "tts.base.files")
    audio_file_bytes: int = _limit(
        512 * MIB, "bytes", "one audio file that is held in memory, or piped", "vocoder.audio.io"
    )
    audio_seconds: float = _limit(4 * 3600.0, "s", "decoded length of one audio file", "vocoder.audio.io")
    voice_seconds: float = _limit(120.0, "s", "reference audio that is read for a voice", "tts.listen")
    voice_min_seconds: float = _limit(1.0, "s", "sound a voice reference must hold", "tts.listen")
    align_seconds: float = _limit(120.0, "s", "recording aligned with its text: also for editing", "tts.alignment")
    units_seconds: float = _limit(600.0, "s", "recording turned into units: it is heard as a whole", "tts.cli.units")
    channels: int = _limit(8, "channels", "channels of an audio file; they are averaged", "vocoder.audio.io")
    min_sample_rate: int = _limit(8_000, "Hz", "lowest sample rate read or written", "vocoder.audio.io")
    max_sample_rate: int = _limit(192_000, "Hz", "highest sample rate read or written", "vocoder.audio.io")
    book_bytes: int = _limit(32 * MIB, "bytes", "text of a book, unpacked", "tts.book.text")
    book_chapters: int = _limit(999, "chapters", "chapters of a book: their numbers have three digits", "tts.book.text")
    epub_list_bytes: int = _limit(4 * MIB, "bytes", "an EPUB's list of its files", "tts.book.epub")
    list_bytes: int = _limit(64 * MIB, "bytes", "a list of files or of texts", "tts.cli.plan")
    wav_chunks: int = _limit(1_024, "chunks", "RIFF chunks before the samples", "vocoder.audio.wavfile")
    sample_peak: float = _limit(32.0, "full scale", "largest float sample; above 1 the clip is scaled down", "vocoder.audio.io")
    json_bytes: int = _limit(4 * MIB, "bytes", "one JSON file", "tts.base.strict_json")
    json_depth: int = _limit(32, "levels", "nesting of JSON", "tts.base.strict_json")
    model_bytes: int = _limit(256 * MIB, "bytes", "one model.safetensors", "vocoder.nn.checkpoint")
    model_header_bytes: int = _limit(MIB, "bytes", "header of a safetensors file", "vocoder.nn.checkpoint")
    model_tensors: int = _limit(4_096, "tensors", "tensors of a model", "vocoder.nn.checkpoint")
    model_rank: int = _limit(6, "dimensions", "rank of a tensor", "vocoder.nn.checkpoint")
    weight_magnitude: float = _limit(1e4, "", "largest absolute weight", "vocoder.nn.checkpoint")
    voice_file_bytes: int = _limit(4 * MIB, "bytes", "a saved voice", "tts.voice")
    token_metadata_bytes: int = _limit(32 * 1024, "bytes", "metadata of a token file, JSON", "codec.tokenfile")
    token_books: int = _limit(32, "books", "codebooks of a token file", "codec.tokenfile")
    token_frames: int = _limit(2_000_000, "frames", "codes in memory, blocks of a salvage; streams have no limit", "codec.codes")
    serve_json_bytes: int = _limit(256 * 1024, "bytes", "a request in JSON", "tts.serve.app")
    serve_upload_bytes: int = _limit(16 * MIB, "bytes", "a recording or token file sent to the server", "tts.serve.app")
    serve_uploads: int = _limit(8, "uploads", "that are received at once", "tts.serve.app")
    serve_text_chars: int = _limit(20_000, "characters", "text of one request", "tts.serve.request")
    serve_audio_seconds: float = _limit(1800.0, "s", "sound of one request, in or out", "tts.serve.service")
    serve_prosody_chars: int = _limit(3_000, "characters", "text whose prosody is told, or given", "tts.serve.request")
    serve_prosody_bytes: int = _limit(224 * 1024, "bytes", "prosody that is told, to come back", "tts.serve.service")
    serve_clause_seconds: float = _limit(60.0, "s", "a clause with given prosody", "tts.serve.service")
    serve_recordings: int = _limit(4, "requests", "that wait to be cloned or edited, or are", "tts.serve.service")
    serve_clones: int = _limit(16, "voices", "cloned by requests; the longest unused is forgotten", "tts.serve.clones")
    serve_clone_seconds: float = _limit(3600.0, "s", "until a cloned voice that nobody uses is forgotten", "tts.serve.clones")
    serve_queue: int = _limit(16, "requests", "that wait for their first sound; --queue", "tts.serve.engine")
    serve_streams: int = _limit(32, "requests", "that are answered at once; --streams", "tts.serve.engine")
    serve_per_client: int = _limit(8, "requests", "of one other machine that are answered at once", "tts.serve.app")
    serve_buffer_bytes: int = _limit(256 * 1024, "bytes", "made ahead of a reader; then its work pauses", "tts.serve.engine")
    serve_connections: int = _limit(256, "connections", "open at once", "tts.serve.server")
    serve_head_bytes: int = _limit(16 * 1024, "bytes", "head of a request, line of the Wyoming protocol", "tts.serve.server")
    serve_head_seconds: float = _limit(10.0, "s", "until the head of a request is complete", "tts.serve.server")
    serve_body_seconds: float = _limit(30.0, "s", "until the body of a request is complete", "tts.serve.app")
    serve_first_seconds: float = _limit(30.0, "s", "until the first sound", "tts.serve.app")
    serve_stall_seconds: float = _limit(20.0, "s", "without a byte read by a client", "tts.serve.app")
    serve_drain_seconds: float = _limit(30.0, "s", "for what is spoken when the server stops", "tts.serve.server")

    def rows(self) -> list[dict]:
        """One dict a limit: name, value, unit, meaning, enforced (the module that checks it)."""
        return [{"name": f.name, "value": getattr(self, f.name), **f.metadata} for f in fields(self)]


LIMITS = Limits()
