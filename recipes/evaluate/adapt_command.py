"""``python -m recipes evaluate adapt``: a model before and after a language was added to it."""

from __future__ import annotations

import click

from recipes.evaluate.options import named, with_outputs, write


@click.command()
@click.option("--before", required=True, metavar="DIR", help="Model folder before.")
@click.option("--after", "afters", multiple=True, required=True, metavar="NAME=DIR", help="A model after; may be repeated.")
@click.option("--new", "new_data", required=True, metavar="DIR", help="Data directory of held-out sentences of the new language.")
@click.option("--old", "old_data", required=True, metavar="DIR", help="Data directory of held-out sentences of the old ones.")
@click.option("--judge", metavar="DIR", help="Aligner adapted on real recordings of the new language; none if left out.")
@click.option("--aligner", metavar="DIR", help="Aligner that judges the old languages; the house aligner if left out.")
@click.option("--sentences", show_default=True, type=click.IntRange(1), default=12, metavar="N", help="A language.")
@click.option("--voice", "voices", multiple=True, metavar="NAME",
              help="Old voice that says the new sentences; may be repeated. One a gender if left out.")  # fmt: skip
@with_outputs
@click.pass_context
def adapt(context, before, afters, new_data, old_data, judge, aligner, sentences, voices, out, results):
    """Phone errors of the old languages and of the new one, before and after."""
    from pathlib import Path

    from frontend.languages import resolve
    from recipes import datadir
    from recipes.evaluate import adapt as experiment
    from recipes.evaluate.house import House, text_phones
    from tts.aligner import Aligner

    models = {"before": House.load(Path(before))} | {name: House.load(Path(folder)) for name, folder in map(named, afters)}
    listener, names = Aligner.load(aligner), list(models)
    speaking = {resolve(voice.language).tag for voice in models["before"].voices}
    old_rows = experiment.held_out(datadir.read(old_data), sentences, speaking & models["before"].languages)
    new_rows = experiment.held_out(datadir.read(new_data), sentences)
    tag = resolve(new_rows[0].language).tag
    judges = [experiment.Judge.own(Aligner.load(judge))] if judge else []
    if tag not in listener.config["minutes"]:
        judges.append(experiment.Judge.stranger(listener))
    elif not judges:
        judges = [experiment.Judge.own(listener)]
    old = experiment.old_languages(old_rows, models, text_phones, experiment.Judge("old", listener.recognise))
    new = experiment.new_language(new_rows, models, text_phones, judges, voices or experiment.first_voices(models["before"]))
    rows = experiment.table(old, new, names)
    records = [{name: value for name, value in each.items() if name != "edits"} for each in old + new]
    write(context, f"A language added: {resolve(tag).name}", rows, records, [
        "Phone errors of sentences that no model heard. Change: errors after over errors before on the same sentences, less "
        "one; the goal is 5 % at most. Old languages: each reader's own voice, or one of the language. New language: old "
        "voices in turn, the same in every column; below, voices of the language where a model has them.",
        "Judge own: an aligner that heard real recordings of the language, of its training split. Judge stranger: one that "
        "never heard it; text and answer are folded on the phones that it knows. Natural: the same sentences as recorded. "
        "Another text: natural recordings against the text of another sentence, the error of knowing nothing."],
        f"adapt-{tag}")  # fmt: skip
