"""``python -m recipes evaluate units``."""

from __future__ import annotations

import click

from recipes.evaluate.options import option, with_outputs, write


@click.command()
@click.option("--dump", default="egs/house/tts1/dump", show_default=True, metavar="DIR", help="Aligned features of a corpus.")
@click.option("--extractor", "names", multiple=True, metavar="NAME",
              help="house, xlsr:PLACE or kmeans:FILE; may be repeated. Only the systems beside it if left out.")
@click.option("--split", "splits", multiple=True, type=click.Choice(["train", "dev", "test"]), default=["dev", "test"],
              show_default=True, help="Utterances to judge; may be repeated.")
@option("--clips", type=click.IntRange(2), default=20, metavar="N", help="Utterances a speaker.")
@option("--centres", type=click.IntRange(2), default=320, metavar="K", help="Of k-means over mel and aligner.")
@click.option("--download", is_flag=True, help="A hub may be asked for an extractor's model.")
@with_outputs
@click.pass_context
def units(context, dump, names, splits, clips, centres, download, out, results):
    """What discrete units tell of phone, speaker and language, beside k-means over mel and aligner, and random codes."""
    import tts.units  # noqa: F401 - adds the aligner
    from codec.units.extractor import unit_extractor
    from recipes.evaluate import units as experiment

    fit_on, judge = experiment.choose(dump, splits, clips)
    rows, records = experiment.compare([unit_extractor(name, download) for name in names],
                                       [unit_extractor("aligner"), unit_extractor("mel")], centres, fit_on, judge)  # fmt: skip
    speakers, languages = {clip.speaker for clip in judge}, {clip.language for clip in judge}
    write(context, "Units: what they carry", rows, records, [
        f"{len(judge):,} utterances of {len(speakers)} speakers and {len(languages)} languages ({', '.join(splits)}) are judged, "
        f"k-means, tables and judges fitted on {len(fit_on):,} others of the same speakers. Phones by forced alignment, without "
        "pauses. Purity and PNMI (HuBERT) rise with the number of codes, whatever they tell: random codes are chance. Held out: "
        "the phone is the commonest of its code in the other utterances. Speaker and language: logistic regression on how often "
        "each code occurs in an utterance; a language is partly told by its speakers. The aligner was trained with phones."])


COMMANDS = (units,)
