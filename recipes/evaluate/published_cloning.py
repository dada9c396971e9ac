"""Zero-shot figures of other systems as published: other judges, other recordings, for orientation alone."""

from __future__ import annotations

NOTE = (
    "Published figures; hours of training, against 11 here. They are not comparable to the digit: their similarity "
    "is the cosine of WavLM speaker models (or as named), ours of Resemblyzer and of the package's ECAPA; their words are heard "
    "by HuBERT-large or Whisper-large-v3, ours by pocketsphinx, which errs in a quarter of the words of natural studio "
    "recordings. Test-clean: their sentences last 4 to 10 s and the reference is 3 s of another clip unless named; ours are 20 "
    "speakers with 4 clips of 3 to 9 s each. Compare how far each system is from its own human row."
)

# system, hours of training, parameters, test, word error %, similarity, its judge, source
_ROWS = (
    ("human", None, None, "test-clean", 1.94, "0.68", "WavLM", "arXiv 2409.00750 (MaskGCT)"),
    ("VALL-E", "60,000", None, "test-clean", 5.90, "0.50", "WavLM", "arXiv 2409.00750 (MaskGCT)"),
    ("Voicebox", "60,000", "330 M", "test-clean", 2.03, "0.64", "WavLM", "arXiv 2409.00750 (MaskGCT)"),
    ("NaturalSpeech 3", None, None, "test-clean", 1.94, "0.67", "WavLM", "arXiv 2409.00750 (MaskGCT)"),
    ("XTTS-v2", None, None, "test-clean", 4.20, "0.51", "WavLM", "arXiv 2409.00750 (MaskGCT)"),
    ("MaskGCT", "100,000", "1 B", "test-clean", 2.63, "0.687", "WavLM", "arXiv 2409.00750 (MaskGCT)"),
    ("Mega-TTS 2, 10 s", "60,000", "367 M", "test-clean", 2.28, "0.905", "another WavLM", "arXiv 2307.07218"),
    ("Mega-TTS 2, 300 s", "60,000", "367 M", "test-clean", 2.23, "0.932", "another WavLM", "arXiv 2307.07218"),
    ("SupertonicTTS", "945", "44 M", "test-clean", 2.64, "0.472", "WavLM", "arXiv 2503.23108"),
    ("YourTTS", "600", None, "test-clean", 6.8, "0.455", "WavLM", "arXiv 2312.15821 (Audiobox)"),
    ("human", None, None, "Seed-TTS en", 2.14, "0.734", "WavLM", "FunAudioLLM/CosyVoice, README"),
    ("F5-TTS", None, "0.3 B", "Seed-TTS en", 2.00, "0.647", "WavLM", "FunAudioLLM/CosyVoice, README"),
    ("CosyVoice 2", None, "0.5 B", "Seed-TTS en", 2.57, "0.659", "WavLM", "FunAudioLLM/CosyVoice, README"),
    ("Seed-TTS", None, None, "Seed-TTS en", 2.25, "0.762", "WavLM", "FunAudioLLM/CosyVoice, README"),
    ("Voicebox, 60 h of training", "60", "330 M", "test-clean", 2.30, "0.151", "WavLM, to the resynthesis", "arXiv 2306.15687"),
)


def published_rows() -> list[dict]:
    return [
        {"system": system, "hours of training": hours, "parameters": parameters, "test": test, "word error": f"{words:.2f} %",
         "similarity": similarity, "judge": judge, "source": source}
        for system, hours, parameters, test, words, similarity, judge, source in _ROWS
    ]  # fmt: skip
