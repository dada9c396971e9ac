"""A further language for a trained model: its tables grown, its old languages replayed, its voices kept.

    python -m recipes adapt --model tts/assets/fs2 --dump dump --replay old --exp exp/ml --out exp/models/ml --minutes 10
    python -m recipes adapt --model tts/assets/fs2 --text sentences.txt --language ml --out exp/models/ml     # no recordings

Phones that the model does not know begin as their nearest known phone, the language as the one whose phones cover most of it
(``recipes/coverage.py``). Then only the rows of these tables learn that no old language reads: the old ones sound to the bit as
before, and nothing need be replayed. Or, with ``learn="all"``, all of the network but what hears voices learns, from batches of
which a share is replayed (``recipes/mix.py``). Either way style vectors of the old voices stay true, and the old voices go along.

Source: language tables that grow and rare phones that begin as articulatory neighbours follow Lux and Vu (arXiv 2203.03191)
in spirit; replay instead of their meta-learning, which needs many languages.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from torch import Tensor, nn

from frontend import inventory
from frontend.languages import Language, resolve
from recipes.batch import Corpus
from recipes.coverage import Heard, heard
from recipes.export import all_steps, card, export, heard_facts, record_model
from recipes.mix import mix
from recipes.native_phones import counts
from recipes.train.loop import TrainConfig, train
from tts.base.errors import UsageError
from tts.models.text import STYLES_A_LANGUAGE
from vocoder.nn.checkpoint import build, load_config, load_into, load_model, save_model
from vocoder.nn.config import from_dict

TRAIN = {  # by what learns
    "all": TrainConfig(learning_rate=2e-4, warmup_steps=40, ema_decay=0.99, validate_steps=200),
    "rows": TrainConfig(learning_rate=3e-3, warmup_steps=20, ema_decay=0.98, validate_steps=200),
}
HEAD = "variance.speakers."  # tells the training speakers apart: of training only, made anew


def main(
    model,
    dump,
    replay,
    exp,
    out,
    minutes: float,
    device: str = "cpu",
    task: dict | None = None,
    config: TrainConfig | None = None,
    share: float = 0.5,
    hours: float = 1.0,
    max_steps: int | None = None,
    voices_from_minutes: float = 1.0,
    learn: str = "rows",
) -> dict:
    """Adapt an acoustic model or an aligner to the language of a store, and export it; returns the new config.

    A run that is there already goes on.

    Args:
        model: Folder of an fs2, a megatts or an aligner.
        dump: Store of the new language; for an acoustic model, aligned.
        replay: Store of the old languages, or of a part of them.
        exp: Training folder; the mixed store is in it.
        out: Model folder to write.
        task: Changes of the task's own numbers.
        share, hours: Of the replay (``recipes.mix.mix``); of an acoustic model of which only rows learn, there is none.
        voices_from_minutes: New speakers with so many minutes become voices of an acoustic model.
        learn: Of an acoustic model: "rows" of the new phones and language, or "all". An aligner learns as a whole.

    Raises:
        UsageError: The store holds several languages, or the model is of another kind.
        ModelError: A folder is no model.
        DataError: The model does not say what it heard.
    """
    before, exp = load_config(model), Path(exp)
    kind = before["kind"]
    if kind not in ("acoustic", "aligner"):
        raise UsageError(f"is of kind {kind!r}, which has no phones.", where=model, code="adapt.kind",
                         fix="Adapt an fs2, a megatts or an aligner.")  # fmt: skip
    if learn not in TRAIN:
        raise UsageError(f"learn is {learn!r:.40}.", where="learn", code="adapt.learn", fix=f"Give {' or '.join(TRAIN)}.")
    fresh = Corpus(Path(dump) / "train")
    language = language_of(fresh)
    rows = kind == "acoustic" and learn == "rows"
    config = config or TRAIN["rows" if rows else "all"]
    share = 0.0 if rows else share
    used = mix(dump, replay, exp / "mix", share, hours)
    if kind == "acoustic":
        job, like = acoustic_job(model, exp / "mix", language, counts(fresh)[language.tag][0], task or {}, config.seed)
        if rows:
            only_rows(job.model, language, heard(before))
            config = replace(config, weight_decay=0.0)  # it would move what has no gradient
    else:
        job, like = aligner_job(model, exp / "mix", task or {}, config.seed), None
    facts = {"language": language.tag, "like": like, "learned": "rows" if rows else "all", "share_of_replay": share,
             **{f"{name}_minutes": round(n, 2) for name, n in used.items()}}  # fmt: skip
    record_model(exp, kind, job.model.config, before.get("architecture"), model, {"adapted": facts})
    train(job, config, exp, minutes=minutes, device=device, max_steps=max_steps)
    written = export(exp, dump, out, voices_from_minutes=voices_from_minutes, heard=together(before, heard_facts(dump, kind)))
    if kind == "acoustic":
        keep(model, out, written["model_id"])
    return written


def without_recordings(model, texts: Sequence[str], tag: str, out) -> dict:
    """Write a model that begins to speak a language that it never heard, for its sentences alone; returns the config.

    The language is not among those with minutes: ``tts synth`` goes on saying that it was never heard.
    """
    import frontend

    before, language = load_config(model, "acoustic"), resolve(tag)
    analyses = frontend.analyze_many(texts, language.tag, join=True)
    phones = Counter(int(phone) for analysis in analyses for clause in analysis.clauses for phone in clause.ids)
    net, like = grow_acoustic(model, language, phones)
    facts = {"kind": "acoustic", "model": asdict(net.config), "architecture": before["architecture"],
             "began_from": {"model_id": before["model_id"], "steps": all_steps(before)}}  # fmt: skip
    told = {name: before[name] for name in ("minutes", "corpora", "phones", "styles") if name in before}
    config = facts | {"steps": 0, "adapted": {"language": language.tag, "like": like}} | told
    config["inventory"] = inventory.digest(net.config.variance.text.n_symbols)
    written = save_model(out, net.state_dict(), config, card(facts, 0, told))
    keep(model, out, written["model_id"])
    return written


def acoustic_job(model, mixed, language: Language, phones: Counter, task: dict, seed: int):
    """(training of the grown model on a mixed store, tag of the language that the new one begins as)."""
    from recipes.train.acoustic import AcousticTask, AcousticTraining

    speakers = {row.speaker for row in Corpus(mixed / "train").utterances.values()}
    net, like = grow_acoustic(model, language, phones, len(speakers))
    settled = {"codes_until": 0} if net.kind == "megatts" else {}  # prosody encoder and books stand still
    chosen = {"balance": 1.0, "freeze_reference": True, **settled, **task}  # the weights of the mix are the balance
    return AcousticTraining(mixed, net, from_dict(AcousticTask, chosen, "task"), seed), like


def only_rows(model: nn.Module, language: Language, known: Heard) -> None:
    """Let nothing learn but the rows of a language, of its styles, and of phones that the model did not know."""
    text = model.variance.text
    slot = 1 + text.config.languages.index(language.id)
    unknown = [phone for phone in range(inventory.EXCLAMATION + 1, inventory.size()) if phone not in known.known]
    of_styles = slice(slot * STYLES_A_LANGUAGE, (slot + 1) * STYLES_A_LANGUAGE)
    model.requires_grad_(False)
    for table, rows in ((text.symbols, unknown), (text.languages, slot), (text.styles, of_styles)):
        learns = table.weight.new_zeros(len(table.weight), 1)
        learns[rows] = 1.0
        table.weight.requires_grad_(True).register_hook(lambda gradient, learns=learns: gradient * learns.to(gradient.device))


def aligner_job(model, mixed, task: dict, seed: int):
    """Training of the grown aligner on a mixed store; alignment is hard from the first step, as it was at the end."""
    from recipes.train.aligner import AlignerTask, AlignerTraining

    net = grow_aligner(model)
    job = AlignerTraining(mixed, net.config, from_dict(AlignerTask, {"hard_from": 0, **task}, "task"), seed)
    load_into(job.model, net.state_dict(), str(model))
    return job


def grow_acoustic(folder, language: Language, phones: Counter, n_speakers: int | None = None):
    """An ``fs2`` or ``megatts`` with a row for every symbol of the inventory and for one more language.

    Args:
        folder: Model folder.
        language: The new language; one that the model has keeps its rows.
        phones: Tokens of the new language by id; they choose the language that it begins as.
        n_speakers: Of the corpus to come; as before when None.

    Returns:
        (model, tag of the language that the new one begins as, None for the generic range).

    Raises:
        UsageError: The folder is a flow.
        ModelError: It is no acoustic model, or damaged.
        DataError: The model does not say what it heard.
    """
    from tts.models import model_classes

    config, tensors = load_model(folder, "acoustic")
    if config["architecture"] == "flow":
        raise UsageError("a flow follows its prior.", where=folder, code="adapt.flow",
                         fix="Adapt an fs2, then train a flow from it: train-acoustic --model flow --warm-start.")  # fmt: skip
    model_class, config_class = model_classes(config["architecture"])
    given = from_dict(config_class, config["model"], str(folder))
    text, known = given.variance.text, heard(config)
    languages = text.languages + (() if language.id in text.languages else (language.id,))  # the old rows keep their places
    grown = replace(text, n_symbols=max(text.n_symbols, inventory.size()), languages=languages)
    variance = replace(given.variance, text=grown, n_speakers=n_speakers or given.variance.n_speakers)
    model = build(model_class, replace(given, variance=variance))
    fill(model, tensors, known, ("variance.text.symbols.weight",), (HEAD,) if n_speakers else ())
    like = known.likest(language, phones)
    if languages != text.languages:
        slot = 1 + text.languages.index(resolve(like).id) if like and resolve(like).id in text.languages else 0
        table, styles = model.variance.text.languages.weight.data, model.variance.text.styles.weight.data
        table[-1] = table[slot]
        styles[-STYLES_A_LANGUAGE:] = styles[slot * STYLES_A_LANGUAGE : (slot + 1) * STYLES_A_LANGUAGE]
    return model, like


def grow_aligner(folder):
    """An ``AlignerModel`` that has every symbol of the inventory, those it does not know as their nearest known one."""
    from tts.aligner import AlignerConfig, AlignerModel

    config, tensors = load_model(folder, "aligner")
    given = from_dict(AlignerConfig, config["model"], str(folder))
    model = build(AlignerModel, replace(given, n_symbols=max(given.n_symbols, inventory.size())))
    fill(model, tensors, heard(config), ("symbols.weight", "recogniser.weight", "recogniser.bias"))
    return model


def fill(model: nn.Module, tensors: dict[str, Tensor], known: Heard, tables: Sequence[str], anew: tuple[str, ...] = ()) -> None:
    """Put the weights of an older, smaller model into ``model``: longer tables begin with the old rows.

    Args:
        tables: Names of those with a row a symbol; a phone that is not known gets the row of its nearest known one.
        anew: Beginnings of names that stay as they are in ``model``.
    """
    state = model.state_dict()
    for name, own in state.items():
        if not name.startswith(anew):
            old = tensors[name]
            (own if own.shape == old.shape else own[: len(old)]).copy_(old)
    for phone in range(inventory.EXCLAMATION + 1, inventory.size()):
        for name in tables if phone not in known.known else ():
            state[name][phone] = state[name][known.nearest(phone)[0]]


def language_of(corpus: Corpus) -> Language:
    """The one language of a store."""
    tags = sorted({row.language for row in corpus.utterances.values()})
    if len(tags) != 1:
        raise UsageError(f"holds {', '.join(tags) or 'no language'}; one is added at a time.", where=corpus.dump,
                         code="adapt.language", fix="Take one with: python -m recipes subset --language TAG")  # fmt: skip
    return resolve(tags[0])


def together(before: dict, new: dict) -> dict:
    """What a model heard before and now, as its config tells it."""
    facts = {name: added(before.get(name, {}), new[name]) for name in ("minutes", "corpora")}
    for name in ("phones", "styles"):
        old = before.get(name, {})
        facts[name] = dict(old)
        for tag, tokens in new[name].items():
            if tag in old or tag not in before.get("minutes", {}):  # else it was heard, but not counted
                facts[name][tag] = added(old.get(tag, {}), tokens)
    return facts


def added(a: dict, b: dict) -> dict:
    return {key: round(a.get(key, 0) + b.get(key, 0), 1) for key in sorted({*a, *b})}


def keep(before, after, model_id: str) -> list[str]:
    """Take the voices and the vocoder of a model to its successor, which hears voices with the same weights; their names.

    An old voice stands in place of a new one of its name. Content adapters and prosody models stay behind: they belong to the
    weights before.
    """
    from tts.voice import Voice

    names = []
    (Path(after) / "voices").mkdir(exist_ok=True)
    for path in sorted((Path(before) / "voices").glob("*.safetensors")):
        voice = Voice.load(path)
        replace(voice, model_id=voice.model_id and model_id).save(Path(after) / "voices" / path.name, force=True)
        names.append(voice.name)
    if (Path(before) / "vocoder").is_dir():
        shutil.rmtree(Path(after) / "vocoder", ignore_errors=True)
        shutil.copytree(Path(before) / "vocoder", Path(after) / "vocoder")
    return names
