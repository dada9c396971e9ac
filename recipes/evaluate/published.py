"""Figures of other codecs as their papers print them: other recordings, other judges of pitch, for orientation alone."""

from __future__ import annotations

DATA = "LibriTTS test-clean"
SOURCES = {
    "2402.12208": "Language-Codec, table 1",
    "2411.02038": "SimVQ, the comparison in its README",
}
# name, kbit/s, tokens a second, PESQ wide band, STOI, F1 of voicing, arXiv id
_ROWS = (
    ("EnCodec", 3.0, 300, 2.0517, 0.9007, 0.9198, "2402.12208"),
    ("EnCodec", 6.0, 600, 2.7202, 0.9391, 0.9527, "2402.12208"),
    ("Vocos on EnCodec's codes", 3.0, 300, 2.4026, 0.9231, 0.9358, "2402.12208"),
    ("Vocos on EnCodec's codes", 6.0, 600, 2.8069, 0.9426, 0.9437, "2402.12208"),
    ("Language-Codec", 3.0, 300, 3.1188, 0.9420, 0.9618, "2402.12208"),
    ("Language-Codec", 6.0, 600, 3.6768, 0.9609, 0.9730, "2402.12208"),
    ("Opus", 6.0, None, 2.5860, 0.9367, 0.9408, "2402.12208"),
    ("WavTokenizer", 0.9, 75, 2.01, None, None, "2411.02038"),
)


def published_rows() -> list[dict]:
    """Rows for the codec's table."""
    return [
        {"system": f"{name} (published, other data)", "kbit/s": f"{kbps:.1f}", "tokens/s": tokens, "PESQ wb": f"{pesq:.2f}",
         "STOI": stoi and f"{stoi:.3f}", "V/UV F1": f1 and f"{f1:.3f}", "source": f"arXiv {source}"}
        for name, kbps, tokens, pesq, stoi, f1, source in _ROWS
    ]  # fmt: skip


def note() -> str:
    sources = ", ".join(f"{source} ({what})" for source, what in SOURCES.items())
    return f"Published rows: {DATA}; arXiv {sources}. Other clips and another pitch tracker: not comparable to the digit."
