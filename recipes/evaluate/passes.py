"""What a model with a budget of passes makes of held-out sentences, against that budget."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from recipes.datadir import Utterance
from recipes.evaluate.clips import samples
from recipes.evaluate.experiments import Result, by, to_16k
from recipes.evaluate.figures import rate_figure
from recipes.evaluate.naturalness import dnsmos
from recipes.evaluate.per import Recogniser, phone_edits
from recipes.progress import track
from tts.base.errors import UsageError

Wav = np.ndarray  # [S] float32 at 24 kHz


def quality(
    clips: Sequence[Utterance],
    speak: Callable[[Utterance, int], tuple[Wav, float]],
    passes: Sequence[int],
    phones: Callable[[Utterance], Sequence[int]],
    recognise: Recogniser,
    judges: Mapping[str, Callable[[Wav], np.ndarray]],
) -> Result:
    """Phone error, similarity and DNSMOS beside those of the recordings.

    Args:
        clips: Two or more a speaker; speakers with one are left out.
        speak: (clip, passes) -> samples and real-time factor of its text in its speaker's voice.
        judges: Name -> embedding of samples, of length one; similar is the mean cosine to the speaker's other recordings.

    Raises:
        UsageError: no speaker has two clips.
    """
    speakers: dict[str, list[Utterance]] = {}
    for clip in clips:
        speakers.setdefault(clip.speaker, []).append(clip)
    clips = [clip for clip in clips if len(speakers[clip.speaker]) > 1]
    if not clips:
        raise UsageError("no speaker has two clips.", where="--per-corpus", code="evaluate.clips", fix="Take more clips.")
    natural = {clip.id: {name: judge(samples(clip)) for name, judge in judges.items()} for clip in clips}
    records, edits = [], {}
    for clip in track(clips, "passes"):
        reference = phones(clip)
        others = [natural[other.id] for other in speakers[clip.speaker] if other is not clip]
        for name in ("natural", *passes):
            wav, rtf = (samples(clip), None) if name == "natural" else speak(clip, name)
            heard = phone_edits(reference, wav, recognise)
            edits.setdefault(name, []).append(heard)
            cosines = {judge: float(np.mean([embed(wav) @ other[judge] for other in others])) for judge, embed in judges.items()}
            records.append({"clip": clip.id, "passes": name, "phone_errors": heard.rate, "rtf": rtf,
                            "overall": dnsmos(to_16k(wav)).overall, **cosines})  # fmt: skip
    rows = [{"passes": name, "clips": len(clips), "phone error": rate_figure(edits[name]),
             **{f"similarity, {judge}": figure(judge, 3) for judge in judges}, "DNSMOS overall": figure("overall"),
             "RTF": figure("rtf", 3)} for name, figure in by(records, "passes")]  # fmt: skip
    return rows, records
