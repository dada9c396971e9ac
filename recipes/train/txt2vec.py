"""Train ``txt2vec``: text, durations and a speaker embedding to units.

    python -m recipes train-txt2vec --dump dump --exp exp/txt2vec --minutes 240 --warm-start tts/assets/megatts

``--warm-start`` takes what fits of a txt2vec or of an acoustic model, whose text encoder and duration predictor know the phones.
A pre-trained encoder (``model.front: xphonebert``) stands still until ``task.bert_from``, in the source a quarter of all steps.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass

import numpy as np
import torch

from recipes.batch import FrameBatches, lengths, pad
from recipes.config import over
from recipes.export import record_model
from recipes.progress import track
from recipes.spelled import characters_of, spelling_of
from recipes.store import StoreWriter
from recipes.train.acoustic import repeats
from recipes.train.loop import Player, Task, TrainConfig, device_of, move, train
from recipes.train.unit_corpus import Books, UnitCorpus, before, books_of, facts, languages_of
from tts.aligner import N_MARKS
from tts.base.errors import ModelError, UnavailableError
from tts.models.txt2vec import Txt2vec, Txt2vecConfig, load_txt2vec, transformers_package
from tts.models.units import NO_CODE
from vocoder.nn.checkpoint import load_config, load_model
from vocoder.nn.config import from_dict, to_dict

DEV = 64  # dev utterances that are judged
TEXT_BLOCKS = 2  # of the text encoder, one less than in acoustic models: 6 MB in float16


@dataclass(frozen=True)
class Txt2vecTask:
    budget: int = 6000  # padded frames a batch
    longest: int = 1200  # frames
    balance: float = 0.5  # as in acoustic training
    speaker_balance: float = 1.0
    extractor: str = "house"  # whose units they are
    bert: str = ""  # folder or hub's id of the encoder for xphonebert
    download: bool = False  # whether a hub may be asked for it
    bert_from: int = 5000  # step at which it begins to learn


class Txt2vecTraining(Task):
    def __init__(self, corpus: UnitCorpus, model: Txt2vec, task: Txt2vecTask, seed: int = 0):
        self.task, self.seed, self.corpus, self.model = task, seed, corpus, model
        weights = repeats(corpus.train, corpus.frames, task.balance, task.speaker_balance)
        self.batches = FrameBatches(corpus.frames, task.budget, seed, weights)
        self.players = [Player("model", model, self.losses)]

    def batch(self, step: int) -> dict:
        rng = np.random.default_rng([self.seed, step, 13])
        return collated(self.corpus, "train", self.batches(step), rng, self.model.config)

    def losses(self, batch: dict, step: int, scratch: dict) -> dict:
        if self.model.config.front == "xphonebert":
            learns = step >= self.task.bert_from
            self.model.text.bert.requires_grad_(learns).train(learns)
        return self.model.loss(batch)

    def validate(self, model, step: int) -> dict[str, float]:
        """The training losses on dev, and the share of right codes, mean over books."""
        keys, totals = self.corpus.dev_keys[:: max(1, len(self.corpus.dev_keys) // DEV)][:DEV], {}
        for i in range(0, len(keys), 8):
            scratch, batch = {}, collated(self.corpus, "dev", keys[i : i + 8], np.random.default_rng(i), self.model.config)
            batch = move(batch, device_of(model))
            losses, real = model.loss(batch, scratch), batch["units"][..., 0] != NO_CODE
            right = (scratch["logits"].argmax(-1) == batch["units"])[real].float().mean()
            for name, value in (losses | {"right": right}).items():
                totals.setdefault(name, []).append(float(value))
        return {name: float(np.mean(values)) for name, values in totals.items()}


def collated(corpus: UnitCorpus, split: str, keys: list[str], rng, config: Txt2vecConfig) -> dict:
    """The batch that ``Txt2vec.loss`` takes."""
    columns = [tokens_of(getattr(corpus, split), key, config) for key in keys]
    ids, styles, langs, durations = ([np.asarray(row[i]) for row in columns] for i in range(4))
    return {
        "keys": keys,
        "ids": pad(ids, np.int64),
        "styles": pad(styles, np.int64),
        "langs": pad(langs, np.int64),
        "durations": pad(durations, np.int64),
        "text_lengths": lengths(ids),
        "frame_lengths": torch.tensor([int(row.sum()) for row in durations]),
        "units": pad([corpus.units(split, key) for key in keys], np.int64, NO_CODE),
        "speaker": corpus.embeddings(split, keys, rng),
    }


def tell_units(folder, dump, seed: int = 0) -> dict[str, int]:
    """Likeliest units of a txt2vec for aligned utterances, by their own durations and in their speakers' voices.

    They become a feature of the store (``UnitCorpus.told_name``), which ``vec2mel`` and ``vec2wav`` may learn from beside the
    units of the recordings: in synthesis they get nothing else.

    Returns:
        How many utterances of each split.

    Raises:
        ModelError: the model knows other units than the store has.
    """
    model, config = load_txt2vec(folder)
    corpus = UnitCorpus(dump, books_of(dump, config, folder), True, 10**9)
    model.codebooks.copy_(corpus.books.vectors)
    counts = {}
    for split, keys in (("train", list(corpus.frames)), ("dev", corpus.dev_keys)):
        utterances, rng = getattr(corpus, split), np.random.default_rng(seed)
        keys = sorted(keys, key=utterances.frames)
        batches = [keys[i : i + 8] for i in range(0, len(keys), 8)]
        with StoreWriter(utterances.dump, corpus.told_name, "int16", corpus.config.n_books) as store, torch.inference_mode():
            for batch in track(batches, f"told {split}"):
                scratch: dict = {}
                model.loss(collated(corpus, split, batch, rng, model.config), scratch)
                for key, codes in zip(batch, scratch["logits"].argmax(-1).numpy(), strict=True):
                    store.add(key, codes[: corpus.config.n_units(utterances.frames(key))])
        counts[split] = len(keys)
    return counts


def tokens_of(corpus, key: str, config: Txt2vecConfig) -> tuple:
    """ids, styles, langs, durations [M] of an utterance as its front end reads it."""
    columns = tuple(np.asarray(corpus.get(name, key), np.int64) for name in ("ids", "styles", "langs", "durations"))
    if config.front != "characters":
        return columns
    spelling = spelling_of(corpus, key)
    ids = spelling.ids(config.characters)
    return ids, np.zeros_like(ids), columns[2][spelling.first_phones], spelling.durations(columns[3])


def build(corpus: UnitCorpus, text: dict | None, model: dict | None, task: Txt2vecTask, warm_start=None) -> Txt2vec:
    """A model for a corpus; ``text`` and ``model`` change ``TextConfig`` and ``Txt2vecConfig``.

    Begun from a txt2vec it has that one's sizes, letters and languages (a new language is row 0 of their tables); from an
    acoustic model it takes what fits.

    Raises:
        ModelError: they do not fit; UnavailableError: the encoder for xphonebert, or its package, is not here.
    """
    again = warm_start and load_config(warm_start)["kind"] == "txt2vec"
    front = (model or {}).get("front", Txt2vecConfig.front)
    bert = pretrained(task.bert, task.download) if front == "xphonebert" and not again else None
    base = before(warm_start, "txt2vec", corpus) if again else sizes_of(corpus, front, bert)
    net = Txt2vec(from_dict(Txt2vecConfig, over(base, {**(model or {}), "text": text or {}}), "model"))
    net.codebooks.copy_(corpus.books.vectors)
    if bert is not None:
        net.text.bert.load_state_dict(bert.state_dict())
        tokenizer = transformers_package().AutoTokenizer.from_pretrained(task.bert, local_files_only=not task.download)
        print(f"{task.bert}: knows {100 * net.text.read_vocabulary(tokenizer):.0f} % of the phones", file=sys.stderr)
    if warm_start:
        take_over(net, warm_start)
    return net


def sizes_of(corpus: UnitCorpus, front: str, bert) -> dict:
    """What a corpus decides of ``Txt2vecConfig``: symbols or letters, languages, units."""
    from frontend import inventory

    text = {"n_symbols": inventory.size(), "languages": list(languages_of(corpus.train)), "n_blocks": TEXT_BLOCKS}
    sizes = {"text": text, "front": front, "units": to_dict(corpus.config)}
    if front == "characters":
        sizes["characters"] = characters_of(corpus.train)
        text |= {"n_symbols": N_MARKS + len(sizes["characters"]), "use_styles": False}
    if bert is not None:
        sizes["bert"] = json.dumps(bert.config.to_diff_dict())
    return sizes


def pretrained(place: str, download: bool):
    """The encoder of a folder or hub's id, by transformers.

    Raises:
        UnavailableError: the package or the encoder is not here.
    """
    transformers = transformers_package()
    try:
        return transformers.AutoModel.from_pretrained(place, local_files_only=not download)
    except (OSError, ValueError) as error:
        raise UnavailableError(f"no encoder was found: {str(error).splitlines()[0][:200]}", where=place or "task.bert",
                               code="bert.missing",
                               fix="Set task.bert to its folder, or allow task.download.") from error  # fmt: skip


def take_over(net: Txt2vec, folder) -> int:
    """Copy tensors of equal name and shape from a txt2vec, or of the text side of an acoustic model; returns how many.

    Raises:
        ModelError: it is neither, or nothing fits.
    """
    config, tensors = load_model(folder)
    if config["kind"] == "acoustic" and "variance" in str(config.get("model")):
        start = "prior.variance." if config["architecture"] == "flow" else "variance."
        tensors = {name.removeprefix(start): t for name, t in tensors.items() if name.startswith(start)}
    elif config["kind"] != "txt2vec":
        raise ModelError(f"a {config['kind']} has no text side.", where=folder, code="model.kind",
                         fix="Begin from a txt2vec, or from fs2, flow or megatts.")  # fmt: skip
    own = net.state_dict()
    fitting = {name: t for name, t in tensors.items() if name in own and own[name].shape == t.shape}
    if not fitting:
        raise ModelError("none of its tensors fits.", where=folder, code="model.tensors")
    net.load_state_dict(own | fitting)
    return len(fitting)


def main(
    dump,
    exp,
    minutes: float,
    device: str = "cpu",
    text: dict | None = None,
    model: dict | None = None,
    task: Txt2vecTask = Txt2vecTask(),
    config: TrainConfig | None = None,
    max_steps: int | None = None,
    warm_start=None,
) -> int:
    """Train or resume; returns the step reached.

    Args:
        text, model: Changes of ``TextConfig`` and ``Txt2vecConfig``; ``text.languages: []`` leaves the language layer out, for
            languages never heard.
        warm_start: A txt2vec or an acoustic model to begin from.
    """
    corpus = UnitCorpus(dump, Books.of(task.extractor), True, task.longest)
    net = build(corpus, text, model, task, warm_start)
    record_model(exp, "txt2vec", net.config, None, warm_start, facts(corpus))
    config = config or TrainConfig(learning_rate=8e-4, warmup_steps=300)
    job = Txt2vecTraining(corpus, net, task, config.seed)
    return train(job, config, exp, minutes=minutes, device=device, max_steps=max_steps)[1]
