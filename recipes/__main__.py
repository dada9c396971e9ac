"""``python -m recipes STAGE …``: every stage of a recipe, each usable alone. Heavy imports happen inside the stages."""

from __future__ import annotations

import difflib
import importlib
import signal
import sys
import traceback

import click

from tts.base.errors import TtsError, UnavailableError

STAGES = {
    "data": ("recipes.stages.data", "data", "Stage 1: data directories of a published corpus."),
    "mini-corpus": ("recipes.stages.data", "mini_corpus", "Make a small corpus in seconds."),
    "validate": ("recipes.stages.data", "validate", "Stage 2: list every fault of data directories."),
    "coverage": ("recipes.stages.languages", "coverage", "What a model knows of a language before it has heard it."),
    "features": ("recipes.stages.data", "features", "Stage 3: audio, mel, pitch and phones into the feature store."),
    "spell": ("recipes.stages.data", "spell", "Spellings of every utterance, for a txt2vec that reads letters."),
    "train-aligner": ("recipes.stages.training", "train_aligner", "Stage 4: train the aligner."),
    "align": ("recipes.stages.training", "align", "Stage 4: durations of every utterance, misfits dropped."),
    "train-speaker": ("recipes.stages.training", "train_speaker", "Stage 5: the speaker encoder."),
    "train-units": ("recipes.stages.training", "train_units", "Train the self-supervised encoder of units."),
    "train-unit-books": ("recipes.stages.training", "train_unit_books", "Train the quantiser of the units with their encoder."),
    "train-vocoder": ("recipes.stages.training", "train_vocoder", "Stage 5: train the vocoder."),
    "train-codec": ("recipes.stages.training", "train_codec", "Train the speech codec."),
    "train-acoustic": ("recipes.stages.training", "train_acoustic", "Stage 5: train an acoustic model."),
    "train-bespoke": ("recipes.stages.training", "train_bespoke", "Stage 6: a solver of few steps for a flow or infill."),
    "train-txt2vec": ("recipes.stages.training", "train_txt2vec", "Stage 5: text to units."),
    "train-vec2mel": ("recipes.stages.training", "train_vec2mel", "Stage 5: units to mel and pitch (zmm1)."),
    "train-vec2wav": ("recipes.stages.training", "train_vec2wav", "Stage 5: units to samples (zmm2)."),
    "train-watermark": ("recipes.stages.training", "train_watermark", "Train the watermark and its detector."),
    "train-prosody": ("recipes.stages.training", "train_prosody", "Stage 5: a prosody model over the codes of a megatts."),
    "train-content": ("recipes.stages.training", "train_content", "Stage 5: train the content adapter of voice conversion."),
    "codes": ("recipes.stages.training", "codes", "Tokens of a codec for every utterance."),
    "train-masked": ("recipes.stages.training", "train_masked", "Stage 5: masked decoding, text to units to codec tokens."),
    "train-patches": ("recipes.stages.training", "train_patches", "Train the patches of a mel, for bandwidth extension."),
    "predict-mels": ("recipes.stages.training", "predict_mels", "Stage 5: what the vocoder is fine-tuned on."),
    "subset": ("recipes.stages.languages", "subset", "A feature store of some languages or a few minutes, of links."),
    "adapt": ("recipes.stages.languages", "adapt", "A further language for a trained model, the old ones replayed."),
    "share": ("recipes.stages.training", "share", "Leave tensors of a model to a folder beside it that has them too."),
    "export": ("recipes.stages.training", "export", "Stage 6: a training folder's best weights as a model folder."),
    "synthesise": ("recipes.stages.speak", "synthesise", "Stage 7: speak the test sentences."),
    "resynthesise": ("recipes.stages.speak", "resynthesise", "Stage 7: the test recordings through a codec and back."),
    "score": ("recipes.stages.speak", "score", "Stage 8: synthetic beside natural speech, of any recipe."),
    "evaluate": ("recipes.evaluate.command", "evaluate", "Stage 8: every table of the house models' RESULTS.md."),
    "pack": ("recipes.stages.packing", "pack", "A corpus with its features in one small file."),
    "unpack": ("recipes.stages.packing", "unpack", "The feature store of a packed corpus."),
    "lhotse": ("recipes.stages.packing", "lhotse", "Data directories as lhotse manifests."),
    "shards": ("recipes.stages.packing", "shards", "Data directories as tar files of WebDataset."),
    "units": ("recipes.stages.units", "units", "Discrete units of every utterance of a feature store."),
    "told-units": ("recipes.stages.units", "told_units", "Units that a txt2vec tells of the utterances of a feature store."),
    "units-kmeans": ("recipes.stages.units", "units_kmeans", "Centres of k-means units over any extractor's features."),
    "run": ("recipes.stages.packing", "run", "Parallel jobs with a log each, as Kaldi's run.pl."),
}


class Stages(click.Group):
    """Imports a stage's module when the stage is asked for."""

    def list_commands(self, context):
        return list(STAGES)

    def get_command(self, context, name):
        if name not in STAGES:
            near = difflib.get_close_matches(name, STAGES, n=1)
            context.fail(f"no stage {name!r}." + (f" Did you mean {near[0]!r}?" if near else ""))
        module, attribute, _ = STAGES[name]
        return getattr(importlib.import_module(module), attribute)

    def format_commands(self, context, formatter):
        with formatter.section("Stages"):
            formatter.write_dl([(name, text) for name, (_, _, text) in STAGES.items()])


@click.group(cls=Stages, context_settings={"help_option_names": ["-h", "--help"],
             "token_normalize_func": lambda name: name.replace("_", "-")},
             epilog="Example:  python -m recipes validate data/train data/dev --audio")  # fmt: skip
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def cli(debug):
    """From a corpus to a trained voice, stage by stage. egs/*/*/run.sh calls these in order."""


def run(args: list[str]) -> int:
    """One command line; returns the exit code. Errors are one message on stderr."""
    try:
        return cli.main(args, prog_name="python -m recipes", standalone_mode=False) or 0
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except (KeyboardInterrupt, click.Abort):
        return 130
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (TtsError, ModuleNotFoundError) as error:
        if isinstance(error, ModuleNotFoundError):
            error = UnavailableError(
                f"{error.name} is not installed.", code="package.missing", fix="pip install 'parlance-tts[train,eval]'"
            )
        if "--debug" in args:
            traceback.print_exc()
        click.echo(f"recipes: {error}", err=True)
        return error.exit_code


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # unwinds, so that temporary files go
    sys.exit(run(sys.argv[1:]))
