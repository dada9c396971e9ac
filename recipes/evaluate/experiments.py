"""The experiments behind the tables: each takes what it judges as callables and returns (rows, one record a clip)."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from recipes.datadir import Utterance
from recipes.evaluate.asr import word_edits
from recipes.evaluate.clips import by_speaker, samples
from recipes.evaluate.figures import mean_figure, rate_figure
from recipes.evaluate.intrusive import aligned_distance, mel_distance, pesq_wide, pitch_error, stoi
from recipes.evaluate.naturalness import dnsmos
from recipes.evaluate.per import Recogniser, phone_edits
from recipes.evaluate.similarity import SpeakerJudge, natural_scale, nearest_speaker
from recipes.progress import track

Wav = np.ndarray  # [S] float32 at 24 kHz
Result = tuple[list[dict], list[dict]]


def copy_synthesis(clips: Sequence[Utterance], systems: Mapping[str, Callable[[Wav], Wav]]) -> Result:
    """Each system analyses a recording and makes it again; compared with the recording sample by sample and frame by frame."""
    from vocoder.audio.f0 import extract_f0
    from vocoder.audio.mel import log_mel

    records = []
    for clip in track(clips, "copy synthesis"):
        wav = samples(clip)
        mel, f0, wav16 = log_mel(wav), extract_f0(wav), to_16k(wav)
        for name, system in systems.items():
            started = time.perf_counter()
            made = system(wav)
            taken = time.perf_counter() - started
            made = np.pad(made, (0, max(0, len(wav) - len(made))))[: len(wav)]
            made16, pitch = to_16k(made), pitch_error(f0, extract_f0(made))
            records.append({"clip": clip.id, "system": name, "pesq": pesq_wide(wav16, made16), "stoi": stoi(wav16, made16),
                            "cents": pitch.cents, "gross": pitch.gross, "voicing": pitch.voicing,
                            "mel": mel_distance(mel, log_mel(made), clip.bandwidth_hz or 12_000),
                            "rtf": taken * 24_000 / len(wav)})
    rows = [{"system": name, "clips": len(clips), "PESQ wb": figure("pesq"), "STOI": figure("stoi", 3),
             "F0 cents": figure("cents", 1), "> 50 cents": figure("gross", 1, True), "V/UV error": figure("voicing", 1, True),
             "mel dB": figure("mel"), "RTF with analysis": figure("rtf", 3)}
            for name, figure in by(records, "system")]
    return rows, records


def intelligibility(clips: Sequence[Utterance], speak: Callable[[Utterance], Wav], phones: Callable[[Utterance], Sequence[int]],
                    recognise: Recogniser, english: Callable[[Wav], list[str]] | None) -> Result:
    """Phone and English word errors of natural recordings and of the same sentences spoken by the house."""
    records, phone_counts, word_counts = [], defaultdict(list), defaultdict(list)
    for clip in track(clips, "intelligibility"):
        reference = phones(clip)
        for kind, wav in (("natural", samples(clip)), ("synthetic", speak(clip))):
            heard = phone_edits(reference, wav, recognise)
            phone_counts[clip.language, kind].append(heard)
            record = {"clip": clip.id, "language": clip.language, "kind": kind,
                      "phones": heard.length, "phone_errors": heard.errors}
            if english and clip.language.startswith("en"):
                words = english(to_16k(wav))
                counted = word_edits(clip.text, words)
                word_counts[clip.language, kind].append(counted)
                record |= {"words": counted.length, "word_errors": counted.errors, "text": clip.text, "heard": " ".join(words)}
            records.append(record)
    rows = []
    for measure, counts in (("phone error", phone_counts), ("word error", word_counts)):
        for language in sorted({language for language, _ in counts}):
            natural, synthetic = (rate_figure(counts[language, kind]) for kind in ("natural", "synthetic"))
            ratio = synthetic.value / natural.value if natural.value else None
            rows.append({"language": language, "measure": measure, "clips": natural.n, "natural": natural, "synthetic": synthetic,
                         "synthetic / natural": ratio})
    return rows, records


def paragraphs(texts: Mapping[str, str], voices: Sequence, speak: Callable[[str, str, str], Wav],
               phones: Callable[[str, str], Sequence[int]], recognise: Recogniser,
               english: Callable[[Wav], list[str]] | None) -> Result:
    """One paragraph in each language by each voice (``tts.voice.VoiceInfo``), its own language's voices apart from the others.

    ``speak(text, language, voice)``, ``phones(text, language)``.
    """
    records, counts, words = [], defaultdict(list), defaultdict(list)
    for language, text in track(texts.items(), "paragraph", len(texts)):
        reference = phones(text, language)
        for voice in voices:
            wav, own = speak(text, language, voice.name), voice.language == language
            heard = phone_edits(reference, wav, recognise)
            counts[language, own].append(heard)
            if english and language.startswith("en") and own:
                words[language].append(word_edits(text, english(to_16k(wav))))
            records.append({"language": language, "voice": voice.name, "own": own, "phones": heard.length,
                            "phone_errors": heard.errors})
    rows = [{"language": language, "own voices": len(counts[language, True]), "phone error": rate_figure(counts[language, True]),
             "other voices": len(counts[language, False]), "phone error of these": rate_figure(counts[language, False]),
             "word error, own voices": rate_figure(words[language]) if words[language] else None} for language in texts]
    return rows, records


def similarity(clips: Sequence[Utterance], speak: Callable[[Utterance, Utterance], Wav], judge: SpeakerJudge,
               label: str) -> Result:
    """Is a spoken sentence nearer to its speaker than to others?

    Args:
        clips: Three or more a speaker; speakers with fewer are left out.
        speak: ``speak(reference, sentence)``: the sentence's text in the voice of the reference clip.
        judge: Embeds clips.
        label: Of the row, e.g. "cloned".
    """
    speakers = {speaker: items for speaker, items in by_speaker(clips).items() if len(items) > 2}
    natural = {speaker: [judge.embed(samples(clip, 16_000)) for clip in items] for speaker, items in speakers.items()}
    scale = natural_scale(natural, {speaker: items[0].gender or "" for speaker, items in speakers.items()})
    records = []
    for speaker, (reference, sentence, *_) in track(speakers.items(), "similarity", len(speakers)):
        made = judge.embed(to_16k(speak(reference, sentence)))
        others = natural[speaker][2:]  # neither the reference, whose room may be copied too, nor the same words
        cosine = float(np.mean([made @ other for other in others]))
        held = natural | {speaker: others}
        records.append({"speaker": speaker, "reference": reference.id, "sentence": sentence.id, "cosine": cosine,
                        "to_reference": float(made @ natural[speaker][0]), "score": scale.score(cosine),
                        "nearest": nearest_speaker(made, held)})
    hits = [float(record["nearest"] == record["speaker"]) for record in records]
    rows = [{"pairs": "natural, same speaker", "n": scale.same_pairs, "cosine": scale.same, "score": 1.0},
            {"pairs": "natural, different speakers", "n": scale.different_pairs, "cosine": scale.different, "score": 0.0}]
    if scale.different_same_gender is not None:
        rows.append({"pairs": "natural, different, same gender", "cosine": scale.different_same_gender,
                     "score": scale.score(scale.different_same_gender)})
    rows.append({"pairs": f"{label}, to other clips of the speaker", "n": len(records),
                 "cosine": mean_figure([record["cosine"] for record in records], 3),
                 "score": mean_figure([record["score"] for record in records]),
                 "nearest speaker right": mean_figure(hits, 0, True)})
    return rows, records


def naturalness(clips: Sequence[Utterance], systems: Mapping[str, Callable[[Utterance], Wav]]) -> Result:
    """DNSMOS of each system on the same sentences, by voice; "natural" among the systems is what the others are compared with."""
    records = [{"clip": clip.id, "voice": clip.speaker, "system": name, **dnsmos(to_16k(system(clip))).to_dict()}
               for clip in track(clips, "naturalness") for name, system in systems.items()]
    rows = []
    for voice, _ in by(records, "voice"):
        mine = [record for record in records if record["voice"] == voice]
        natural = np.mean([record["overall"] for record in mine if record["system"] == "natural"] or [np.nan])
        for name, figure in by(mine, "system"):
            overall = figure("overall")
            against = None if name == "natural" or np.isnan(natural) else f"{overall.value - natural:+.2f}"
            rows.append({"voice": voice, "system": name, "clips": overall.n, "overall": overall, "against natural": against,
                         "signal": figure("signal"), "background": figure("background"), "P.808": figure("p808")})
    return rows, records


def ablation(clips: Sequence[Utterance], models: Mapping[str, Callable[[Utterance], tuple[Wav, float]]],
             phones: Callable[[Utterance], Sequence[int]], recognise: Recogniser,
             english: Callable[[Wav], list[str]] | None) -> Result:
    """Acoustic models on the same sentences: ``models[name](clip) -> (samples, real-time factor)``, against the recordings."""
    from vocoder.audio.f0 import extract_f0
    from vocoder.audio.mel import log_mel

    records, phone_counts, word_counts = [], defaultdict(list), defaultdict(list)
    for clip in track(clips, "ablation"):
        wav, reference = samples(clip), phones(clip)
        mel, f0 = log_mel(wav), extract_f0(wav)
        for name, speak in models.items():
            made, rtf = speak(clip)
            distance = aligned_distance(mel, log_mel(made), f0, extract_f0(made), clip.bandwidth_hz or 12_000)
            phone_counts[name].append(phone_edits(reference, made, recognise))
            if english and clip.language.startswith("en"):
                word_counts[name].append(word_edits(clip.text, english(to_16k(made))))
            records.append({"clip": clip.id, "model": name, "mcd": distance.mcd, "cents": distance.f0_cents,
                            "duration": distance.duration_ratio, "overall": dnsmos(to_16k(made)).overall, "rtf": rtf,
                            "phone_errors": phone_counts[name][-1].rate})
    rows = [{"model": name, "clips": len(clips), "phone error": rate_figure(phone_counts[name]),
             "word error (en)": rate_figure(word_counts[name]), "MCD dB": figure("mcd"), "F0 cents": figure("cents", 0),
             "duration ratio": figure("duration"), "DNSMOS overall": figure("overall"), "RTF": figure("rtf", 3)}
            for name, figure in by(records, "model")]
    return rows, records


def systems(clips: Sequence[Utterance], models: Mapping[str, Callable[[Utterance], tuple[Wav, float]]],
            phones: Callable[[Utterance], Sequence[int]], recognise: Recogniser, english: Callable[[Wav], list[str]] | None,
            judge: SpeakerJudge, group: Callable[[Utterance], str]) -> Result:
    """Systems on the same sentences, by group of clips, beside the recordings: errors, likeness to the recording, speed.

    Args:
        models: ``models[name](clip) -> (samples, real-time factor)``.
        group: What a clip counts among, such as "house voices".
    """
    records, phone_counts, word_counts = [], defaultdict(list), defaultdict(list)
    for clip in track(clips, "systems"):
        own, reference, where = samples(clip), phones(clip), group(clip)
        voice = judge.embed(to_16k(own))
        for name, speak in {"natural": lambda _, own=own: (own, None), **models}.items():
            made, rtf = speak(clip)
            made16, key = to_16k(made), (where, name)
            phone_counts[key].append(phone_edits(reference, made, recognise))
            if english and clip.language.startswith("en"):
                word_counts[key].append(word_edits(clip.text, english(made16)))
            records.append({"clip": clip.id, "group": where, "system": name, "key": key,
                            "phone_errors": phone_counts[key][-1].rate,
                            "similarity": None if name == "natural" else float(judge.embed(made16) @ voice),
                            "overall": dnsmos(made16).overall, "rtf": rtf})
    rows = []
    for (where, name), figure in sorted(by(records, "key"), key=lambda item: item[0][0]):
        made = name != "natural"
        rows.append({"voices": where, "system": name, "clips": len(phone_counts[where, name]),
                     "phone error": rate_figure(phone_counts[where, name]),
                     "word error (en)": rate_figure(word_counts[where, name]) if word_counts[where, name] else None,
                     "similarity": figure("similarity", 3) if made else None, "DNSMOS overall": figure("overall"),
                     "RTF": figure("rtf", 3) if made else None})
    return rows, [{name: value for name, value in record.items() if name != "key"} for record in records]


def to_16k(wav: Wav) -> np.ndarray:
    """[S] at 24 kHz -> 16 kHz, the rate of the judges."""
    from vocoder.audio.io import resample

    return resample(wav, 24_000, 16_000)


def by(records: Sequence[dict], key: str) -> Iterable[tuple[str, Callable]]:
    """(value of the key, ``figure(column, digits, percent)`` over its records), in order of first appearance."""
    for value in dict.fromkeys(record[key] for record in records):
        mine = [record for record in records if record[key] == value]
        yield value, lambda column, digits=2, percent=False, mine=mine: mean_figure([r[column] for r in mine], digits, percent)
