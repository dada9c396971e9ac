"""``python -m recipes evaluate cloning | cloning-speed | verification | conversion | crosslingual | accent``: on voices."""

from __future__ import annotations

import click

from recipes.evaluate.options import MODEL, SPEAKER_ENCODER, named, table_options, with_outputs, write

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
@click.option("--fit", is_flag=True, help="Voices fitted to 10 s too, a table of its own; 10 s a sentence.")
@click.option("--words/--no-words", default=True, help="English word errors, which take most of the time.")
@with_outputs
@click.pass_context
def cloning(context, speech, speakers, sentences, model, also, speaker_encoder, fit, words, out, results):
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
    speakers_by = {name or "house": house.cloned for name, house in houses.items()}
    if fit:
        houses["fitted"], speakers_by["fitted"] = houses[""], houses[""].fitted
    records = experiment.measure(
        experiment.trials(chosen, sentences), speakers_by, judges,
        text_phones, Aligner.load().recognise, recogniser and (lambda wav: recogniser(to_16k(wav))),
        {"fitted": ("10 s",)})  # fmt: skip
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


@click.command("cloning-speed")
@SPEECH
@click.option("--runs", type=click.IntRange(1), default=5, show_default=True, metavar="N", help="Beside a first one, told apart.")
@MODEL
@with_outputs
@click.pass_context
def cloning_speed(context, speech, runs, model, out, results):
    """Seconds to make a voice of 10 seconds, and speed with it, by regression and by every prosody model."""
    import torch

    from recipes.evaluate import cloning as experiment
    from recipes.evaluate import cloning_speed as timing
    from recipes.evaluate.clips import by_speaker, unseen_speakers
    from recipes.evaluate.paragraph import PARAGRAPHS
    from tts.api import Synthesizer
    from tts.voice import Voice

    unseen = [clip for clips in unseen_speakers(speech, "test").values() for clip in clips]
    speakers = by_speaker(clip for clip in unseen if clip.language.startswith("en"))
    longest = max(speakers.values(), key=lambda clips: sum(clip.seconds for clip in clips))
    reference, _ = experiment.reference(longest, 10.0)
    synthesizer = Synthesizer(model=model)
    synthesizer.warm("en")
    rows, records = timing.measure_cloning(
        synthesizer, lambda recordings, consent: Voice.from_audio(recordings, consent=consent), reference, PARAGRAPHS["en"], "en",
        runs, ("regression", "masked", "causal", "causal+durations"))  # fmt: skip
    write(context, "Cloning: speed", rows, records, [
        f"A voice of {len(reference) / 24_000:.1f} s of a speaker never heard; medians of {runs} runs behind a first, in one "
        f"process; threads of torch: {torch.get_num_threads()}. A prosody model draws a whole clause before its first sound. "
        "Goals: a voice in 1 s, RTF with a prosody model 0.3."])


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


@click.command()
@SPEECH
@click.option("--speakers", type=click.IntRange(1), default=6, show_default=True, metavar="N",
              help="English speakers to convert, beside the French ones.")
@click.option("--voices", type=click.IntRange(1), default=4, show_default=True, metavar="N", help="House voices to convert to.")
@click.option("--clones", type=click.IntRange(0), default=2, show_default=True, metavar="N", help="Cloned voices to convert to.")
@click.option("--text/--no-text", "with_text", default=True, help="Conversion with the text known, too.")
@MODEL
@click.option("--content", metavar="DIR", help="Content adapter of the model, if it lies elsewhere.")
@SPEAKER_ENCODER
@with_outputs
@click.pass_context
def conversion(context, speech, speakers, voices, clones, with_text, model, content, speaker_encoder, out, results):
    """Recordings of speakers never heard in house voices and cloned voices: similarity, phone errors, melody."""
    from recipes.evaluate import conversion as experiment
    from recipes.evaluate.clips import by_speaker, in_turns, read_clips, samples, unseen_speakers
    from recipes.evaluate.house import House, text_phones
    from recipes.evaluate.judges import speaker_judges
    from tts.aligner import Aligner
    from vocoder.api import Vocoder
    from vocoder.audio.f0 import extract_f0
    from vocoder.audio.mel import log_mel

    judges, about = speaker_judges(speaker_encoder)
    house, vocoder = House.load(model), Vocoder.load()
    heard = by_speaker(clip for clips in read_clips(speech, "test").values() for clip in clips)
    unseen = by_speaker(clip for clips in unseen_speakers(speech, "test").values() for clip in clips if clip.language in
                        house.languages)  # fmt: skip
    english = [name for name in sorted(unseen) if unseen[name][0].language.startswith("en")]
    chosen = english[:speakers] + [name for name in sorted(unseen) if name not in english]
    sources = [max(unseen[name][:4], key=lambda clip: clip.seconds or 0) for name in chosen]
    own = [voice for voice in house.voices if voice.name in heard]
    named_voices = in_turns([[v for v in own if (v.language, v.gender) == group]
                             for group in dict.fromkeys((v.language, v.gender) for v in own)])[:voices]  # fmt: skip
    targets = [experiment.Target(v.name, "house voices", house.synthesizer.voice(v.name), tuple(map(samples, heard[v.name][:6])))
               for v in named_voices]  # fmt: skip
    for name in english[speakers : speakers + clones]:
        first, *others = sorted(unseen[name], key=lambda clip: -(clip.seconds or 0))
        targets.append(experiment.Target(name, "cloned voices", house.clone(first), tuple(map(samples, others))))

    def systems():
        convert = house.synthesizer.convert
        yield "converted", lambda clip, wav, voice: convert((wav, 24_000), voice, content=content).samples
        if with_text:
            yield "converted with its text", lambda clip, wav, voice: convert(
                (wav, 24_000), voice, text=clip.text, language=clip.language).samples  # fmt: skip

    records = experiment.measure(sources, targets, dict(systems()), lambda wav: vocoder.decode(log_mel(wav), extract_f0(wav)),
                                 judges, text_phones, Aligner.load().recognise)  # fmt: skip
    write(context, f"Conversion: speakers never heard in other voices, {house.kind}", experiment.table(records, targets, judges),
          records, [
              f"{len(sources)} speakers, {len(targets)} voices. Similarity: cosine to the mean of natural recordings of the "
              "target, those themselves each to the mean of the others; a clone's source clip is not among them. Phone error "
              "against the text of the source, by the project's own recogniser, whose hidden states conversion without text "
              "listens to: it flatters these. F0 correlation with the source over frames voiced in both (DIO and StoneMask). "
              f"{about}"])  # fmt: skip


@click.command()
@click.option("--dump", default="egs/house/tts1/dump", show_default=True, metavar="DIR", help="Features of the house corpus.")
@click.option("--clips", type=click.IntRange(5), default=150, show_default=True, metavar="N", help="Training clips a language.")
@click.option("--save", metavar="FILE", help="Write the fitted judge, as recipes/evaluate/accent.json is.")
@click.option("--shipped", is_flag=True, help="Judge the shipped weights, fit nothing.")
@SPEECH
@click.option("--per-corpus", type=click.IntRange(1), default=20, show_default=True, metavar="N", help="Clips a corpus to judge.")
@with_outputs
@click.pass_context
def accent(context, dump, clips, save, shipped, speech, per_corpus, out, results):
    """Fit the judge of accents, and how often it is right on held-out natural recordings."""
    from recipes.evaluate import accent as experiment
    from recipes.evaluate.clips import read_clips, select
    from tts.aligner import Aligner

    aligner = Aligner.load()
    judge = experiment.AccentJudge.load() if shipped else experiment.fit(*experiment.training_shares(dump, clips, aligner))
    if save:
        judge.save(save)
    chosen = [clip for clip in select(read_clips(speech, "test"), per_corpus) if clip.language in judge.languages]
    rows, records = experiment.confusions(chosen, judge, lambda wav: experiment.phone_shares(wav, aligner))
    write(context, "Accent: the judge on natural recordings", rows, records, [
        "Logistic regression on the mean phone posteriors of the aligner-recogniser; it hears which sounds there are, not their "
        "order or melody. Test clips; speakers of en_testclean and two French readers were never heard. Languages were "
        "recorded in different rooms, of which the recogniser hides most, not all."])  # fmt: skip


@click.command()
@SPEECH
@click.option("--voices", type=click.IntRange(1), metavar="N", help="Voices a language, most minutes first; all if left out.")
@MODEL
@SPEAKER_ENCODER
@with_outputs
@click.pass_context
def crosslingual(context, speech, voices, model, speaker_encoder, out, results):
    """Every house voice in every language, with native pronunciation and with the accent of its own language."""
    import frontend
    from frontend.languages import resolve
    from recipes.evaluate import accent as accents
    from recipes.evaluate import crosslingual as experiment
    from recipes.evaluate.clips import by_speaker, read_clips, samples
    from recipes.evaluate.house import House
    from recipes.evaluate.judges import speaker_judges
    from recipes.evaluate.paragraph import PARAGRAPHS
    from tts.aligner import Aligner

    judges, about = speaker_judges(speaker_encoder)
    house, aligner, judge = House.load(model), Aligner.load(), accents.AccentJudge.load()
    texts = {resolve(tag).tag: frontend.analyze(text, tag).clauses[0].normalized for tag, text in PARAGRAPHS.items()}
    heard = by_speaker(clip for clips in read_clips(speech, "test").values() for clip in clips)
    groups = [[voice for voice in house.voices if voice.language == tag] for tag in texts]  # most minutes first
    chosen = [voice for group in groups for voice in group[:voices]]
    natural = {voice.name: [samples(clip) for clip in heard[voice.name][:6]] for voice in chosen if voice.name in heard}

    def speak(text, language, voice, kind):
        plan = house.synthesizer.plan(text, voice=voice, language=language, accent=kind)
        return house.synthesizer.render(plan).samples, [int(phone) for clause in plan.clauses for phone in clause.ids]

    records = experiment.measure(chosen, texts, speak, natural, judges, aligner.recognise,
                                 lambda wav: judge(accents.phone_shares(wav, aligner)))  # fmt: skip
    write(context, f"Every voice in every language, {house.kind}", experiment.table(records, list(judges)), records, [
        "One sentence a language. Accent native: the phones of the text's language; speaker: those that the voice's own language "
        "lacks are replaced, with its stress or tones. Phone error against the phones that were asked for. Similarity: cosine to "
        "the mean of the voice's own natural recordings; in the voice's own language it is the measure for the others. "
        f"Languages are judged by the sounds heard (table Accent). Each voice: crosslingual.json. {about}"])  # fmt: skip


@click.command()
@table_options("test")
@MODEL
@click.option("--draws", type=click.IntRange(2), default=3, show_default=True, metavar="N", help="Of each prosody model.")
@click.pass_context
def prosody(context, speech, split, per_corpus, corpora, model, draws, out, results):
    """Prosody by regression, by the language model and by the masked model beside natural speech of the same sentences."""
    from recipes.evaluate import prosody as experiment
    from recipes.evaluate.clips import read_clips, select
    from recipes.evaluate.house import House

    house = House.load(model)
    clips = [clip for clip in select(read_clips(speech, split), per_corpus, corpora or None) if house.has_own_voice(clip)]
    natural, systems = experiment.of_house(house.synthesizer)
    records = experiment.measure(clips, natural, systems, range(draws))
    write(context, "Prosody: melody and timing beside natural speech", experiment.table(records), records, [
        "House voices say sentences of their own held-out recordings, no sound is made: F0 as the acoustic model plans it, "
        "frames of every phone as planned. Own reference: the voice's reference is the context, its phones as they are heard. "
        "Pitch in semitones around its median; distance along the best warping path. Durations beside "
        "those of the aligner. Between draws: the distance of two draws of one sentence. A person saying a sentence twice "
        "would not reach 0 either; what two natural readings differ by is not known here."])  # fmt: skip


COMMANDS = (cloning, cloning_speed, verification, conversion, accent, crosslingual, prosody)
