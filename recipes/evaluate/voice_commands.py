"""``python -m recipes evaluate cloning | verification``: the tables on voices."""

from __future__ import annotations

import click

from recipes.evaluate.options import MODEL, SPEAKER_ENCODER, named, with_outputs, write

SPEECH = click.option("--speech", default="../shared/speech", show_default=True, metavar="DIR",
                      help="Corpus folder with metadata.tsv.")  # fmt: skip


@click.command()
@SPEECH
@click.option("--speakers", type=click.IntRange(2), default=20, show_default=True, metavar="N", help="Speakers a language.")
@click.option("--sentences", type=click.IntRange(1), default=1, show_default=True, metavar="N",
              help="Of each speaker; more where a language has few speakers.")
@MODEL
@click.option("--also", multiple=True, metavar="NAME=DIR", help="A further acoustic model, a table of its own; may be repeated.")
@SPEAKER_ENCODER
@click.option("--words/--no-words", default=True, help="English word errors, which take most of the time.")
@with_outputs
@click.pass_context
def cloning(context, speech, speakers, sentences, model, also, speaker_encoder, words, out, results):
    """Unseen speakers cloned from 1 to 30 seconds: similarity and errors, beside their own recordings."""
    from recipes.evaluate import cloning as experiment
    from recipes.evaluate import published_cloning
    from recipes.evaluate.asr import EnglishRecogniser
    from recipes.evaluate.clips import by_speaker, unseen_speakers
    from recipes.evaluate.experiments import to_16k
    from recipes.evaluate.house import House, text_phones
    from recipes.evaluate.judges import speaker_judges
    from tts.aligner import Aligner

    judges, about = speaker_judges(speaker_encoder)
    houses = {"": House.load(model)} | {name: House.load(folder) for name, folder in map(named, also)}
    unseen = [clip for clips in unseen_speakers(speech, "test").values() for clip in clips]
    chosen = [clip for language in ("en", "fr") for _, clips in sorted(by_speaker(
        clip for clip in unseen if clip.language.startswith(language)).items())[:speakers] for clip in clips]  # fmt: skip
    recogniser = EnglishRecogniser() if words else None
    records = experiment.measure(
        experiment.trials(chosen, sentences), {name or "house": house.cloned for name, house in houses.items()}, judges,
        text_phones, Aligner.load().recognise, recogniser and (lambda wav: recogniser(to_16k(wav))))  # fmt: skip
    for name, house in houses.items():
        label = name or "house"
        rows = experiment.table(records, label, list(judges))
        of_model = [record for record in records if record["model"] in ("", label)]
        write(context, f"Cloning: speakers never heard, {house.kind}" + (f" ({name})" if name else ""), rows, of_model, [
            experiment.goal(records, label, list(judges)),
            "Cosines to the first 10 s of the speaker's other clips, in every row; the sentence's own recording is never part of "
            "the reference. References longer than a clip are several clips joined; where a speaker has less, all of it. "
            "Score: 0 is another person of the same gender, 1 the speaker. Unheard clip: one that the reference does not hold. "
            f"{about} Phones by the project's own recogniser; words by pocketsphinx, one sentence a speaker."],
            f"cloning-{name}" if name else None)  # fmt: skip
    write(context, "Cloning: published figures", published_cloning.published_rows(), [], [published_cloning.NOTE],
          "cloning-published")  # fmt: skip


@click.command()
@SPEECH
@SPEAKER_ENCODER
@with_outputs
@click.pass_context
def verification(context, speech, speaker_encoder, out, results):
    """Equal error rate of the speaker encoder on speakers never heard, whole clips and crops, beside Resemblyzer."""
    from recipes.evaluate import verification as experiment
    from recipes.evaluate.clips import unseen_speakers
    from recipes.evaluate.judges import speaker_judges

    judges, about = speaker_judges(speaker_encoder)
    unseen = unseen_speakers(speech, "test")
    rows, records = experiment.verify(unseen, judges)
    write(context, "Verification: are two recordings of one person?", rows, records, [
        "Equal error rate over all pairs of clips of speakers who are not in training, a language at a time; pairs of different "
        f"genders count too. Seconds: the middle of each clip, as far as it goes; mean. {about}"])  # fmt: skip


COMMANDS = (cloning, verification)
