"""Stage 6, export: EMA weights of a training folder -> a model folder with config, card and, for acoustic models, voices."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np

from tts.base.errors import ModelError, NoInputError, UsageError
from tts.base.files import atomic_write

VOICE_CLIPS = 40  # clips whose style vectors are averaged into a voice


def record_model(exp, kind: str, config, architecture: str | None = None, warm_start=None, extra: dict | None = None) -> None:
    """Leave in a training folder what :func:`export` must know of the model trained there, and of the one it began from.

    ``extra`` goes into the exported config as it is.
    """
    from vocoder.nn.checkpoint import load_config

    facts = {"kind": kind, "model": asdict(config), **({"architecture": architecture} if architecture else {})}
    facts["extra"] = extra or {}
    if warm_start:
        before = load_config(warm_start)
        facts["began_from"] = {"model_id": before["model_id"], "steps": all_steps(before)}
    Path(exp).mkdir(parents=True, exist_ok=True)
    atomic_write(Path(exp) / "model.json", json.dumps(facts, indent=1) + "\n", force=True)


def all_steps(config: dict) -> int:
    """Steps of a model, those of the model that it began from included."""
    return config.get("steps", 0) + config.get("began_from", {}).get("steps", 0)


def newest(exp) -> Path:
    """The newest checkpoint of a training folder."""
    folders = sorted(Path(exp).glob("step-*"))
    if not folders:
        raise NoInputError("there is no checkpoint.", where=exp, fix="Train first.")
    return folders[-1]


def export(exp, dump, out, *, dtype: str = "float16", voices_from_minutes: float = 15.0, txt2vec=None,
           heard: dict | None = None) -> dict:  # fmt: skip
    """Write a model folder from the newest checkpoint of a training folder; returns the config as written.

    Args:
        exp: Training folder.
        dump: Feature store that it was trained on.
        out: Model folder to write.
        dtype: Of the stored weights.
        voices_from_minutes: Acoustic models get a voice of every speaker with at least so many minutes.
        txt2vec: Model folder that a ``zmm1`` or ``zmm2`` speaks with; it is copied into ``out`` unless it lies beside it.
        heard: What it heard, where that is more than the store; :func:`heard_facts` of it when None.
    """
    from codec.quantize.base import exported
    from frontend import inventory
    from recipes.train.loop import read_checkpoint
    from vocoder.nn.checkpoint import save_model

    checkpoint, facts = newest(exp), json.loads((Path(exp) / "model.json").read_text())
    try:
        step, tensors = read_checkpoint(checkpoint)
    except Exception as error:
        raise ModelError(
            f"the newest checkpoint is damaged: {str(error)[:200]}",
            where=checkpoint,
            fix="Train on for a moment: training sets it aside and goes on from the one before.",
        ) from error
    heard = heard or heard_facts(dump, facts["kind"])
    config = {"kind": facts["kind"], "model": facts["model"], "steps": step, **heard, **facts.get("extra", {})}
    config |= {name: facts[name] for name in ("architecture", "began_from") if name in facts}
    units = facts.get("architecture") in ("zmm1", "zmm2")  # no text side of its own
    if units:
        config["txt2vec"] = place_txt2vec(txt2vec, out)
        tensors["ema"] = place_generator(tensors["ema"], config, facts, step, heard, out, dtype)
    elif facts["kind"] == "acoustic" and "inventory" not in config:
        config["inventory"] = inventory.digest(facts["model"].get("prior", facts["model"])["variance"]["text"]["n_symbols"])
    if facts["kind"] == "aligner":
        config["inventory"] = inventory.digest(facts["model"]["n_symbols"])
    if facts["kind"] == "txt2vec" and facts["model"]["front"] != "characters":
        config["inventory"] = inventory.digest(facts["model"]["text"]["n_symbols"])
    if facts["kind"] == "units":
        from recipes.train.unit_books import learned_books
        from recipes.train.units import with_books

        find = learned_books if config.get("books") == "learned" else partial(with_books, dump=dump)
        tensors["ema"] = find(facts["model"], tensors["ema"])
    written = save_model(out, exported(tensors["ema"]), config, card(facts, step, heard), dtype)
    if facts["kind"] == "acoustic":
        for solver in Path(out).glob("bespoke-*.json"):  # made for the weights that were here before
            solver.unlink()
        write_voices(out, dump, voices_from_minutes)
    return written


def place_txt2vec(txt2vec, out) -> str:
    """See to it that the txt2vec is found from ``out``; its model_id.

    Raises:
        UsageError: none is given; ModelError: it is none.
    """
    from vocoder.nn.checkpoint import load_config

    if txt2vec is None:
        raise UsageError("this model speaks with a txt2vec.", where="txt2vec", fix="Give its model folder with --txt2vec.")
    model_id = load_config(txt2vec, "txt2vec")["model_id"]
    shutil.rmtree(Path(out) / "txt2vec", ignore_errors=True)
    if Path(txt2vec).resolve() != (Path(out).parent / "txt2vec").resolve():
        shutil.copytree(txt2vec, Path(out) / "txt2vec")
    return model_id


def place_generator(tensors: dict, config: dict, facts: dict, step: int, heard: dict, out, dtype: str) -> dict:
    """Tensors of a ``zmm2`` without its generator, which becomes the vocoder in its folder; those of a ``zmm1`` as they are."""
    from vocoder.nn.checkpoint import save_model

    if facts["architecture"] == "zmm1":
        return tensors
    generator = {"kind": "vocoder", "model": config.pop("vocoder"), "steps": step, **heard}
    own = {name.removeprefix("vocoder."): tensor for name, tensor in tensors.items() if name.startswith("vocoder.")}
    save_model(Path(out) / "vocoder", own, generator, card({"kind": "vocoder"}, step, heard), dtype)
    return {name.removeprefix("units."): tensor for name, tensor in tensors.items() if name.startswith("units.")}


def heard_facts(dump, kind: str) -> dict:
    """What a model heard: minutes by language and by corpus; for models of phones, tokens of phones and styles by language."""
    from frontend.inventory import id_to_symbol
    from recipes.batch import Corpus
    from recipes.native_phones import counts
    from vocoder.audio.frames import FRAME_RATE

    corpus = Corpus(Path(dump) / "train")
    languages: dict[str, float] = {}
    corpora: dict[str, float] = {}
    for row in corpus.utterances.values():
        minutes = corpus.frames(row.key) / FRAME_RATE / 60
        languages[row.language] = languages.get(row.language, 0.0) + minutes
        corpora[row.corpus] = corpora.get(row.corpus, 0.0) + minutes
    facts = {
        "minutes": {k: round(v, 1) for k, v in sorted(languages.items())},
        "corpora": {k: round(v, 1) for k, v in sorted(corpora.items())},
    }
    if kind in ("acoustic", "aligner"):
        counted = counts(corpus)
        facts["phones"] = {tag: {id_to_symbol(i): n for i, n in sorted(phones.items())} for tag, (phones, _) in counted.items()}
        facts["styles"] = {tag: {str(k): n for k, n in sorted(styles.items())} for tag, (_, styles) in counted.items()}
    return facts


def card(facts: dict, step: int, heard: dict) -> str:
    """Text of card.md."""
    from recipes.corpora.speech import LICENCES, SHARE_ALIKE

    name = facts.get("architecture") or facts["kind"]
    began = facts.get("began_from")
    after = f", after {began['steps']:,} steps of model {began['model_id']}" if began else ""
    bound = [f"{name} ({LICENCES[name]})" for name in SHARE_ALIKE if name in heard["corpora"]]
    article = "An" if facts["kind"][0] in "aeio" else "A"
    lines = [
        f"# {name}",
        "",
        f"{article} {facts['kind']} model of parlance, trained for {step:,} steps by `python -m recipes`{after}.",
        "",
        "Minutes of speech by language: " + ", ".join(f"{k} {v:g}" for k, v in heard["minutes"].items()) + ".",
        "Minutes by corpus: " + ", ".join(f"{k} {v:g}" for k, v in heard["corpora"].items()) + ".",
        "Sources and licences of the corpora: ATTRIBUTION.md of the distribution. Figures: egs/house/RESULTS.md.",
        *([f"Share-alike: {', '.join(bound)}. Whoever passes these weights on does so under that licence."] if bound else []),
        "",
        "Meant for speech synthesis and research; a cloned voice needs the consent of its speaker.",
    ]
    return "\n".join(lines) + "\n"


def write_voices(folder, dump, from_minutes: float) -> list[str]:
    """A voice file of every speaker with enough speech: mean style over clips, and the most typical clip as reference."""
    import torch

    from recipes.batch import Corpus
    from recipes.corpora.speech import LICENCES
    from tts.models import load_acoustic
    from tts.voice import Voice
    from vocoder.audio.frames import FRAME_RATE

    model, config = load_acoustic(folder)
    corpus = Corpus(Path(dump) / "train")
    speakers: dict[str, list[str]] = {}
    for key in corpus.keys:
        speakers.setdefault(corpus.utterances[key].speaker, []).append(key)
    (Path(folder) / "voices").mkdir(exist_ok=True)
    for path in (Path(folder) / "voices").glob("*.safetensors"):
        if Voice.load(path).model_id not in (None, config["model_id"]):  # made for the weights that were here before
            path.unlink()
    names = []
    for speaker, keys in sorted(speakers.items()):
        minutes = sum(corpus.frames(key) for key in keys) / FRAME_RATE / 60
        if minutes < from_minutes:
            continue
        clips = [key for key in keys if 150 <= corpus.frames(key) <= 600] or keys
        clips = clips[:: max(1, len(clips) // VOICE_CLIPS)][:VOICE_CLIPS]
        with torch.inference_mode():
            mels = [torch.from_numpy(np.asarray(corpus.get("mel", key), dtype=np.float32)) for key in clips]
            styles = torch.stack([model.variance.voice(mel).style for mel in mels])
        mean = styles.mean(0)
        typical = int((styles - mean).square().sum(1).argmin())
        row = corpus.utterances[keys[0]]
        voice = Voice(
            name=speaker.lower(),
            reference=mels[typical].numpy(),
            style=mean.numpy(),
            model_id=config["model_id"],
            language=row.language,
            gender=row.gender,
            corpus=row.corpus,
            licence=LICENCES.get(row.corpus, ""),
            minutes=round(minutes, 1),
            consent={"kind": "dataset_licence", "corpus": row.corpus},
        )
        voice.save(Path(folder) / "voices" / f"{voice.name}.safetensors", force=True)
        names.append(voice.name)
    return names
