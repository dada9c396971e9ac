"""Stages 4 to 6: training, alignment, export. Configurations are YAML (recipes.config)."""

from __future__ import annotations

import os

import click

from tts.base.errors import UsageError


def training_options(function):
    """Options that every training stage has."""
    for option in reversed([
        click.option("--dump", default="dump", show_default=True, metavar="DIR", help="Feature store."),
        click.option("--exp", required=True, metavar="DIR", help="Training folder; a run that is there already goes on."),
        click.option("--minutes", required=True, type=click.FloatRange(0), help="Budget of this call."),
        click.option("--device", default="cpu", show_default=True, help="cpu or cuda."),
        click.option("--config", metavar="FILE", help="YAML of this stage."),
        click.option("--set", "overrides", multiple=True, metavar="SECTION.KEY=VALUE", help="Change one value; may be repeated."),
        click.option("--pack", metavar="FILE", help="Make the feature store of this packed corpus first."),
        click.option("--max-steps", type=click.IntRange(0), help="Stop after this many steps in all."),
    ]):  # fmt: skip
        function = option(function)
    return function


@click.command("train-aligner", epilog="Example:  python -m recipes train-aligner --exp exp/aligner --minutes 60")
@training_options
@click.option("--warm-start", metavar="DIR", help="Model folder to begin from, for example the house model.")
def train_aligner(dump, exp, minutes, device, config, overrides, pack, max_steps, warm_start):
    """The aligner-recogniser, on all languages of the corpus. YAML sections: model, task, train."""
    from frontend import inventory
    from recipes.train import aligner
    from tts.aligner import AlignerConfig

    given = _prepare(config, overrides, ("model", "task", "train"), pack, dump)
    model = _dataclass(AlignerConfig, {"n_symbols": inventory.size(), **given["model"]})
    step = aligner.main(dump, exp, minutes, device, model, _dataclass(aligner.AlignerTask, given["task"]), _train(given),
                        max_steps=max_steps, warm_start=warm_start)  # fmt: skip
    click.echo(f"train-aligner: step {step:,} in {exp}")


@click.command("train-speaker", epilog="Example:  python -m recipes train-speaker --exp exp/speaker --minutes 60")
@training_options
def train_speaker(dump, exp, minutes, device, config, overrides, pack, max_steps):
    """The speaker encoder, on all speakers of the corpus. YAML sections: model, task, train."""
    from recipes.train import speaker
    from tts.models.speaker import EcapaConfig

    given = _prepare(config, overrides, ("model", "task", "train"), pack, dump)
    model, task = _dataclass(EcapaConfig, given["model"]), _dataclass(speaker.SpeakerTask, given["task"])
    step = speaker.main(dump, exp, minutes, device, model, task, _train(given), max_steps)
    click.echo(f"train-speaker: step {step:,} in {exp}")


@click.command("train-units", epilog="Example:  python -m recipes train-units --exp exp/units --minutes 60")
@training_options
@click.option("--warm-start", metavar="DIR", help="Unit encoder to begin from.")
def train_units(dump, exp, minutes, device, config, overrides, pack, max_steps, warm_start):
    """The self-supervised encoder of units, from recordings alone. YAML sections: model, task, train."""
    from codec.units.encoder import UnitEncoderConfig
    from recipes.train import units

    given = _prepare(config, overrides, ("model", "task", "train"), pack, dump)
    model, task = _dataclass(UnitEncoderConfig, given["model"]), _dataclass(units.UnitTask, given["task"])
    step = units.main(dump, exp, minutes, device, model, task, _train(given), max_steps, warm_start)
    click.echo(f"train-units: step {step:,} in {exp}")


@click.command("train-unit-books", epilog="Example:  python -m recipes train-unit-books --exp exp/b --warm-start DIR --minutes 9")
@training_options
@click.option("--warm-start", required=True, metavar="DIR", help="The unit encoder whose books are to learn.")
def train_unit_books(dump, exp, minutes, device, config, overrides, pack, max_steps, warm_start):
    """The quantiser of the units, and the encoder with it, so that speech can be rebuilt. YAML sections: task, train."""
    from recipes.train import unit_books

    given = _prepare(config, overrides, ("task", "train"), pack, dump)
    task = _dataclass(unit_books.UnitBooksTask, given["task"])
    step = unit_books.main(dump, exp, minutes, warm_start, device, task, _train(given), max_steps)
    click.echo(f"train-unit-books: step {step:,} in {exp}")


@click.command("train-vocoder", epilog="Example:  python -m recipes train-vocoder --exp exp/vocoder --minutes 600")
@training_options
@click.option("--mels", metavar="DIR", help="Fine-tune on predicted mels: a store made by synthesis on natural timing.")
@click.option("--warm-start", metavar="DIR", help="Model folder to begin from, for example the house model.")
def train_vocoder(dump, exp, minutes, device, config, overrides, pack, max_steps, mels, warm_start):
    """The vocoder. YAML sections: model, task, train."""
    from recipes.train import vocoder
    from vocoder.fourier import VocoderConfig

    given = _prepare(config, overrides, ("model", "task", "train"), pack, dump)
    model = _dataclass(VocoderConfig, given["model"])
    step = vocoder.main(dump, exp, minutes, device, model, _dataclass(vocoder.VocoderTask, given["task"]), _train(given), mels,
                        max_steps, warm_start)  # fmt: skip
    click.echo(f"train-vocoder: step {step:,} in {exp}")


@click.command("train-codec", epilog="Example:  python -m recipes train-codec --exp exp/codec --warm-start exp/ae --minutes 600")
@training_options
@click.option("--warm-start", metavar="DIR", help="Codec to begin from, for example one trained with task.quantize=false.")
@click.option("--vocoder", metavar="DIR", help="Vocoder that the decoder begins from.")
def train_codec(dump, exp, minutes, device, config, overrides, pack, max_steps, warm_start, vocoder):
    """The speech codec. YAML sections: model, task, train."""
    from codec.model import CodecConfig
    from recipes.train import codec

    given = _prepare(config, overrides, ("model", "task", "train"), pack, dump)
    model, task = _dataclass(CodecConfig, given["model"]), _dataclass(codec.CodecTask, given["task"])
    step = codec.main(dump, exp, minutes, device, model, task, _train(given), max_steps, warm_start, vocoder)
    click.echo(f"train-codec: step {step:,} in {exp}")


@click.command("train-acoustic", epilog="Example:  python -m recipes train-acoustic --model flow --exp exp/flow --minutes 600")
@training_options
@click.option("--model", type=click.Choice(["fs2", "flow", "infill", "megatts"]), default="fs2", show_default=True,
              help="Kind of model.")  # fmt: skip
@click.option("--warm-start", metavar="DIR", help="Model folder whose fitting tensors are taken over.")
def train_acoustic(dump, exp, minutes, device, config, overrides, pack, max_steps, model, warm_start):
    """An acoustic model on aligned features. YAML sections: text (its size and adaptor), model, task, train."""
    from recipes.train import acoustic

    given = _prepare(config, overrides, ("text", "model", "prosody", "task", "train"), pack, dump)
    step = acoustic.main(dump, exp, minutes, model, device, _dataclass(acoustic.AcousticTask, given["task"]), _train(given),
                         given["text"], warm_start, max_steps, given["model"], given["prosody"])  # fmt: skip
    click.echo(f"train-acoustic: step {step:,} in {exp}")


@click.command("train-txt2vec", epilog="Example:  python -m recipes train-txt2vec --exp exp/txt2vec --minutes 240")
@training_options
@click.option("--warm-start", metavar="DIR", help="A txt2vec, or an acoustic model whose text side it takes over.")
def train_txt2vec(dump, exp, minutes, device, config, overrides, pack, max_steps, warm_start):
    """Text to units (ZMM-TTS). YAML sections: text (its encoder), model (front end, losses ...), task, train."""
    from recipes.train import txt2vec

    given = _prepare(config, overrides, ("text", "model", "task", "train"), pack, dump)
    step = txt2vec.main(dump, exp, minutes, device, given["text"], given["model"],
                        _dataclass(txt2vec.Txt2vecTask, given["task"]), _train(given), max_steps, warm_start)  # fmt: skip
    click.echo(f"train-txt2vec: step {step:,} in {exp}")


@click.command("train-vec2mel", epilog="Example:  python -m recipes train-vec2mel --exp exp/vec2mel --minutes 120")
@training_options
@click.option("--warm-start", metavar="DIR", help="A zmm1 to begin from.")
def train_vec2mel(dump, exp, minutes, device, config, overrides, pack, max_steps, warm_start):
    """Units to mel and pitch (zmm1). YAML sections: model, task, train."""
    from recipes.train import vec2mel

    given = _prepare(config, overrides, ("model", "task", "train"), pack, dump)
    step = vec2mel.main(dump, exp, minutes, device, given["model"], _dataclass(vec2mel.Vec2melTask, given["task"]),
                        _train(given), max_steps, warm_start)  # fmt: skip
    click.echo(f"train-vec2mel: step {step:,} in {exp}")


@click.command("train-vec2wav",
               epilog="Example:  python -m recipes train-vec2wav --exp exp/vec2wav --vocoder vocoder/assets/house --minutes 240")
@training_options
@click.option("--warm-start", metavar="DIR", help="A zmm2 to begin from.")
@click.option("--vocoder", metavar="DIR", help="Vocoder that the generator begins from.")
def train_vec2wav(dump, exp, minutes, device, config, overrides, pack, max_steps, warm_start, vocoder):
    """Units to samples (zmm2). YAML sections: model, generator (as a vocoder's model), task, train."""
    from recipes.train import vec2wav

    given = _prepare(config, overrides, ("model", "generator", "task", "train"), pack, dump)
    task = _dataclass(vec2wav.Vec2wavTask, given["task"])
    step = vec2wav.main(dump, exp, minutes, device, given["model"], given["generator"], task, _train(given), max_steps,
                        warm_start, vocoder)  # fmt: skip
    click.echo(f"train-vec2wav: step {step:,} in {exp}")


@click.command("train-watermark", epilog="Example:  python -m recipes train-watermark --exp exp/mark --minutes 30")
@training_options
@click.option("--mels", metavar="DIR", help="Predicted mels (predict-mels) for half of each batch; recordings alone if left out.")
def train_watermark(dump, exp, minutes, device, config, overrides, pack, max_steps, mels):
    """The watermark. YAML sections: model, task, train."""
    from recipes.train import watermark
    from tts.models.watermark import MarkConfig

    given = _prepare(config, overrides, ("model", "task", "train"), pack, dump)
    model, task = _dataclass(MarkConfig, given["model"]), _dataclass(watermark.MarkTask, given["task"])
    step = watermark.main(dump, exp, minutes, device, model, task, _train(given), mels, max_steps)
    click.echo(f"train-watermark: step {step:,} in {exp}")


@click.command("train-prosody",
               epilog="Example:  python -m recipes train-prosody --acoustic exp/models/megatts --exp exp/prosody --minutes 60")
@training_options
@click.option("--acoustic", required=True, metavar="DIR", help="The megatts model whose codes are learned.")
def train_prosody(dump, exp, minutes, device, config, overrides, pack, max_steps, acoustic):
    """A prosody model over the codes of a megatts. YAML sections: model (form: causal or masked ...), task, train."""
    from recipes.train import prosody

    given = _prepare(config, overrides, ("model", "task", "train"), pack, dump)
    step = prosody.main(dump, exp, minutes, acoustic, device, given["model"], _dataclass(prosody.ProsodyTask, given["task"]),
                        _train(given), max_steps)  # fmt: skip
    click.echo(f"train-prosody: step {step:,} in {exp}")


@click.command("train-bespoke",
               epilog="Example:  python -m recipes train-bespoke --model exp/models/infill --steps 4 --exp exp/rk2 --minutes 10")
@training_options
@click.option("--model", required=True, metavar="NAME|DIR", help="The flow or infill; the solver is put there.")
@click.option("--steps", required=True, type=click.IntRange(1, 32), metavar="N", help="Steps of the solver.")
@click.option("--order", type=click.IntRange(1, 2), default=2, show_default=True,
              help="Evaluations a step: 1 after Euler, 2 after the midpoint method.")  # fmt: skip
def train_bespoke(dump, exp, minutes, device, config, overrides, pack, max_steps, model, steps, order):
    """A bespoke solver of few steps for a trained model. YAML sections: task, train."""
    from recipes.train import bespoke
    from tts.registry import model_folder

    given = _prepare(config, overrides, ("task", "train"), pack, dump)
    place = bespoke.main(dump, exp, minutes, model_folder(model), steps, order, device,
                         _dataclass(bespoke.BespokeTask, given["task"]), _train(given), max_steps)  # fmt: skip
    click.echo(f"train-bespoke: {place}")


@click.command("train-content", epilog="Example:  python -m recipes train-content --acoustic exp/models/fs2 --exp exp/content")
@training_options
@click.option("--acoustic", metavar="DIR", help="Acoustic model whose conditions it makes; the house model if left out.")
@click.option("--aligner", metavar="DIR", help="Aligner whose hidden states it hears; the house aligner if left out.")
def train_content(dump, exp, minutes, device, config, overrides, pack, max_steps, acoustic, aligner):
    """The content adapter of an acoustic model, for voice conversion. YAML sections: model, task, train."""
    from recipes.train import content

    given = _prepare(config, overrides, ("model", "task", "train"), pack, dump)
    step = content.main(dump, exp, minutes, acoustic, aligner, device, given["model"],
                        _dataclass(content.ContentTask, given["task"]), _train(given), max_steps)  # fmt: skip
    click.echo(f"train-content: step {step:,} in {exp}")


@click.command(epilog="Example:  python -m recipes codes --dump dump")
@click.option("--dump", default="dump", show_default=True, metavar="DIR", help="Feature store.")
@click.option("--codec", metavar="DIR", help="Codec; the house codec if left out.")
def codes(dump, codec):
    """Tokens of every utterance of every split, from its mel. A split that has them is left as it is."""
    from pathlib import Path

    from codec import Codec
    from recipes.codes import write_codes
    from recipes.stages.data import SPLITS

    sound = Codec.load(codec)
    for split in SPLITS:
        if (Path(dump) / split / "utterances.jsonl").exists():
            click.echo(f"codes: {split}: {write_codes(Path(dump) / split, sound):,} utterances of {sound.name}")


@click.command("train-masked", epilog="Example:  python -m recipes train-masked --exp exp/masked --minutes 60")
@training_options
@click.option("--acoustic", metavar="DIR", help="Acoustic model whose text side is taken; the house fs2 if left out.")
@click.option("--codec", metavar="DIR", help="Codec that made the tokens; the house codec if left out.")
@click.option("--extractor", default="house", show_default=True, metavar="NAME", help="Of the units.")
@click.option("--warm-start", metavar="DIR", help="Masked model to go on from.")
def train_masked(dump, exp, minutes, device, config, overrides, pack, max_steps, acoustic, codec, extractor, warm_start):
    """Text to units and units to codec tokens (task.part: both, units, tokens). YAML sections: units, tokens, task, train."""
    from recipes.train import masked

    given = _prepare(config, overrides, ("units", "tokens", "task", "train"), pack, dump)
    step = masked.main(dump, exp, minutes, acoustic, codec, extractor, device, given["units"], given["tokens"],
                       _dataclass(masked.MaskedTask, given["task"]), _train(given), max_steps, warm_start)  # fmt: skip
    click.echo(f"train-masked: step {step:,} in {exp}")


@click.command("train-patches", epilog="Example:  python -m recipes train-patches --exp exp/patch-books --minutes 15")
@training_options
@click.option("--warm-start", metavar="DIR", help="Model folder with trained books; task.part=masked needs one.")
def train_patches(dump, exp, minutes, device, config, overrides, pack, max_steps, warm_start):
    """Books of mel tiles, then (task.part=masked) the model that finds missing tiles. YAML sections: model, task, train."""
    from recipes.train import patches
    from tts.models.patches import PatchConfig

    given = _prepare(config, overrides, ("model", "task", "train"), pack, dump)
    model, task = _dataclass(PatchConfig, given["model"]), _dataclass(patches.PatchTask, given["task"])
    step = patches.main(dump, exp, minutes, device, model, task, _train(given), max_steps, warm_start)
    click.echo(f"train-patches: step {step:,} in {exp}")


@click.command(epilog="Example:  python -m recipes align --dump dump --aligner exp/models/aligner")
@click.option("--dump", default="dump", show_default=True, metavar="DIR", help="Feature store.")
@click.option("--aligner", metavar="DIR", help="Aligner; the house aligner if left out.")
@click.option("--worst", type=click.FloatRange(0, 1), default=0.4, show_default=True,
              help="Share of phones that may sound otherwise. More for a language that the aligner barely knows.")  # fmt: skip
def align(dump, aligner, worst):
    """Durations of every utterance; those whose text and recording disagree are listed in dropped.tsv."""
    from recipes.align import main

    for split, counts in main(dump, aligner, worst=worst).items():
        click.echo(f"align: {split}: " + ", ".join(f"{name} {n:,}" for name, n in counts.items()))


@click.command("predict-mels", epilog="Example:  python -m recipes predict-mels --model exp/models/flow --out exp/mels")
@click.option("--model", required=True, metavar="DIR", help="Acoustic model.")
@click.option("--dump", default="dump", show_default=True, metavar="DIR", help="Feature store, aligned.")
@click.option("--out", required=True, metavar="DIR", help="Store to write; train-vocoder takes it with --mels.")
@click.option("--utterances", type=click.IntRange(1), default=2500, show_default=True, help="Of train, at most.")
def predict_mels(model, dump, out, utterances):
    """Mels of an acoustic model on natural timing: what a vocoder is fine-tuned on."""
    from recipes.train.acoustic import predict_mels as write

    click.echo(f"predict-mels: {write(model, dump, out, utterances):,} utterances in {out}")


@click.command(epilog="Example:  python -m recipes export --exp exp/fs2 --out exp/models/fs2 --vocoder exp/models/vocoder")
@click.option("--exp", required=True, metavar="DIR", help="Training folder.")
@click.option("--dump", default="dump", show_default=True, metavar="DIR", help="Feature store that it was trained on.")
@click.option("--out", required=True, metavar="DIR", help="Model folder to write.")
@click.option("--dtype", type=click.Choice(["float16", "bfloat16", "float32"]), default="float16", show_default=True)
@click.option("--voices-from-minutes", type=click.FloatRange(0), default=15.0, show_default=True,
              help="An acoustic model gets a voice of every speaker with so much speech.")  # fmt: skip
@click.option("--vocoder", metavar="DIR", help="Vocoder that an acoustic model takes with it; else it uses the house vocoder.")
@click.option("--txt2vec", metavar="DIR", help="Text half that a zmm1 or zmm2 speaks with; shared when it lies beside --out.")
def export(exp, dump, out, dtype, voices_from_minutes, vocoder, txt2vec):
    """Write a model folder: averaged weights, config with hashes, card, voices."""
    import shutil
    from pathlib import Path

    from recipes.export import export as write

    config = write(exp, dump, out, dtype=dtype, voices_from_minutes=voices_from_minutes, txt2vec=txt2vec)
    if vocoder:
        shutil.rmtree(Path(out) / "vocoder", ignore_errors=True)
        shutil.copytree(vocoder, Path(out) / "vocoder")
    click.echo(f"export: {config['kind']} {config['model_id']} after {config['steps']:,} steps in {out}")


def _prepare(config, overrides, sections, pack, dump) -> dict[str, dict]:
    from recipes import config as configuration

    given = configuration.read(config, overrides, sections)
    if pack and int(os.environ.get("WORLD_SIZE", 1)) > 1:
        raise UsageError("several processes would unpack it at once.", where="--pack", code="usage.pack",
                         fix="Run python -m recipes unpack first, and leave --pack out.")  # fmt: skip
    if pack:
        from recipes.pack import unpack

        unpack(pack, dump)
    return given


def _dataclass(cls, values: dict):
    from vocoder.nn.config import from_dict

    return from_dict(cls, values, cls.__name__)


def _train(given: dict):
    """The training configuration, or None: the task's own."""
    from recipes.train.loop import TrainConfig

    return _dataclass(TrainConfig, given["train"]) if given["train"] else None


@click.command(epilog="Example:  python -m recipes share --model exp/models/infill --from fs2")
@click.option("--model", required=True, metavar="DIR", help="Model folder.")
@click.option("--from", "name", required=True, metavar="NAME", help="The folder beside it.")
def share(model, name):
    """Leave the tensors that a folder beside has too, bit for bit, to that one, as those of a text side that stood still."""
    from vocoder.nn.checkpoint import share_tensors

    click.echo(f"share: {share_tensors(model, name)} tensors of {model} are those of {name}")
