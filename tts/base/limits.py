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

    def rows(self) -> list[dict]:
        """One dict a limit: name, value, unit, meaning, enforced (the module that checks it)."""
        return [{"name": f.name, "value": getattr(self, f.name), **f.metadata} for f in fields(self)]


LIMITS = Limits()
