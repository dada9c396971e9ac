"""Which language a clip sounds like, by the phones that the aligner hears in it: a measure of accent.

Logistic regression on the mean phone posteriors of a clip, fitted on natural training recordings; a few kilobytes of weights lie
beside this file. It hears which phones there are, not their order or melody, so it is a judge of accents of sounds alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from recipes.datadir import Utterance
from recipes.evaluate.clips import samples
from recipes.evaluate.figures import mean_figure
from recipes.evaluate.logistic import logistic
from recipes.progress import track
from tts.base import strict_json
from tts.base.errors import DataError

SHIPPED = Path(__file__).with_name("accent.json")
RAREST = 1e-4  # mean share of a phone that is worth a weight


@dataclass(frozen=True)
class AccentJudge:
    languages: tuple[str, ...]  # tags
    phones: tuple[int, ...]  # ids of the inventory that are looked at
    weight: np.ndarray  # [phones, languages]
    bias: np.ndarray  # [languages]

    def __call__(self, shares: np.ndarray) -> dict[str, float]:
        """Probability of each language, from :func:`phone_shares`."""
        scores = np.sqrt(shares[list(self.phones)]) @ self.weight + self.bias
        odds = np.exp(scores - scores.max())
        return dict(zip(self.languages, (odds / odds.sum()).tolist(), strict=True))

    def save(self, path) -> None:
        from frontend.inventory import id_to_symbol
        from tts.base.files import atomic_write

        content = {"languages": list(self.languages), "phones": " ".join(map(id_to_symbol, self.phones)),
                   "weight": np.round(self.weight, 2).tolist(), "bias": np.round(self.bias, 3).tolist()}  # fmt: skip
        lines = strict_json.dumps(content, indent=None)
        atomic_write(path, lines.replace("], [", "],\n [") + "\n", force=True)

    @classmethod
    def load(cls, path=SHIPPED) -> AccentJudge:
        from frontend.inventory import symbol_to_id

        content = strict_json.load(path)
        phones = tuple(map(symbol_to_id, content["phones"].split()))
        return cls(tuple(content["languages"]), phones, np.array(content["weight"]), np.array(content["bias"]))


def phone_shares(wav: np.ndarray, aligner) -> np.ndarray:
    """[n_symbols]: how much of the clip each phone takes by ``aligner`` (tts.aligner.Aligner), adding up to one."""
    import torch

    from vocoder.audio.mel import log_mel

    mel = torch.from_numpy(log_mel(np.asarray(wav, np.float32)))[None]
    with torch.inference_mode():
        posteriors = aligner.model(mel, torch.ones(mel.shape[:2], dtype=torch.bool))[0].exp().numpy()
    return normalised(posteriors)


def normalised(posteriors: np.ndarray) -> np.ndarray:
    """[T, n_symbols] -> [n_symbols], blank, silence and marks left out.

    Raises:
        DataError: nothing was heard.
    """
    from frontend.inventory import EXCLAMATION

    total = posteriors.sum(0).astype(np.float64)
    total[: EXCLAMATION + 1] = 0
    if total.sum() < 1e-6:
        raise DataError("no phone is heard in the clip.", code="evaluate.no_speech", fix="Leave the clip out.")
    return total / total.sum()


def fit(shares: np.ndarray, languages: Sequence[str]) -> AccentJudge:
    """The judge of [n, n_symbols] with the language of each; every language weighs the same."""
    names = sorted(set(languages))
    phones = np.flatnonzero(shares.mean(0) > RAREST)
    numbers = np.array([names.index(language) for language in languages])
    weight, bias = logistic(np.sqrt(shares[:, phones]), numbers, len(names))
    return AccentJudge(tuple(names), tuple(map(int, phones)), weight, bias)


def confusions(clips: Sequence[Utterance], judge: AccentJudge, shares: Callable[[np.ndarray], np.ndarray]):
    """How often natural clips are judged right: (rows by language, one record a clip)."""
    records = []
    for clip in track(clips, "accent"):
        heard = judge(shares(samples(clip)))
        records.append({"clip": clip.id, "language": clip.language, "judged": max(heard, key=heard.get),
                        "probability": heard.get(clip.language, 0.0)})  # fmt: skip
    rows = []
    for language in sorted({record["language"] for record in records}):
        mine = [record for record in records if record["language"] == language]
        wrong = sorted({record["judged"] for record in mine} - {language})
        rows.append({"language": language, "clips": len(mine), "judged right": mean_figure(
            [float(record["judged"] == language) for record in mine], 0, True),
            "probability": mean_figure([record["probability"] for record in mine]), "taken for": ", ".join(wrong) or None})
    return rows, records


def training_shares(dump, clips: int, aligner) -> tuple[np.ndarray, list[str]]:
    """Phone shares of ``clips`` training utterances a language, longest speakers in turn, from the feature store."""
    import torch

    from recipes.batch import Corpus
    from recipes.evaluate.clips import in_turns

    corpus = Corpus(Path(dump) / "train")
    shares, languages = [], []
    for language in sorted({row.language for row in corpus.utterances.values()}):
        speakers: dict[str, list[str]] = {}
        for key in corpus.keys:
            row = corpus.utterances[key]
            if row.language == language and corpus.frames(key) >= 150:
                speakers.setdefault(row.speaker, []).append(key)
        for key in track(in_turns([keys[:: max(1, len(keys) // clips)] for keys in speakers.values()])[:clips], language):
            mel = torch.from_numpy(np.asarray(corpus.get("mel", key), dtype=np.float32))[None]
            with torch.inference_mode():
                shares.append(normalised(aligner.model(mel, torch.ones(mel.shape[:2], dtype=torch.bool))[0].exp().numpy()))
            languages.append(language)
    return np.stack(shares), languages
