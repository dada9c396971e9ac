"""``python -m recipes evaluate TABLE``: parse, choose clips, run the experiment, write its table."""

from __future__ import annotations

import click

from recipes.evaluate import adapt_command, unit_commands, voice_commands
from recipes.evaluate.options import MODEL, SPEAKER_ENCODER, named, option, table_options, with_outputs, write

SYSTEMS = ("fs2", "megatts", "infill", "zmm1", "zmm2", "masked")  # the house's, by name


@click.group(name="evaluate", epilog="Example:  python -m recipes evaluate vocoder --per-corpus 20")
def evaluate():
    """Measure the models and write the tables of RESULTS.md."""


for _command in (adapt_command.adapt, *unit_commands.COMMANDS, *voice_commands.COMMANDS):
    evaluate.add_command(_command)


@evaluate.command()
@table_options("test")
@click.option("--vocoder", "vocoders", multiple=True, metavar="NAME=DIR", help="A further vocoder to compare; may be repeated.")
@click.option("--projections", multiple=True, type=click.IntRange(0, 16), metavar="N",
              help="The house vocoder with so many mel projections as a further row; may be repeated.")
@click.option("--vocos", metavar="DIR", help="A published Vocos (config.yaml and weights) to compare.")
@click.pass_context
def vocoder(context, speech, split, per_corpus, corpora, vocoders, projections, vocos, out, results):
    """Copy synthesis on speakers never seen in training, beside WORLD and Griffin-Lim."""
    from recipes.evaluate import baselines, experiments
    from recipes.evaluate.clips import select, unseen_speakers
    from vocoder.api import Vocoder
    from vocoder.audio.f0 import extract_f0
    from vocoder.audio.mel import log_mel
    from vocoder.vocos import VocosPackage

    def copier(model):
        return lambda wav: model.decode(log_mel(wav), extract_f0(wav))

    systems = {"house": copier(Vocoder.load())}
    systems |= {name: copier(Vocoder.load(folder)) for name, folder in map(named, vocoders)}
    systems |= {f"house, {n} projections": copier(Vocoder.load(projections=n)) for n in projections}
    if vocos:
        published = VocosPackage.load(vocos)
        systems["Vocos"] = lambda wav: published.decode(published.mel(wav))
    systems |= {"WORLD": baselines.world_copy, "Griffin-Lim": lambda wav: baselines.griffin_lim(log_mel(wav))}
    clips = select(unseen_speakers(speech, split), per_corpus, corpora or None)
    rows, records = experiments.copy_synthesis(clips, systems)
    write(context, "Vocoder: copy synthesis of unseen speakers", rows, records, [
        *(["The published Vocos hears a mel of its own, without F0."] if vocos else []),
        "The house vocoder hears 100 mel bands and F0 75 times a second, Griffin-Lim the mel alone; WORLD hears its own "
        "full-resolution envelopes 200 times a second. PESQ and STOI at 16 kHz. Pitch by DIO and StoneMask, whose own noise is "
        "about 20 cents. Goal: better than both."])


@evaluate.command()
@table_options("test")
@MODEL
@click.pass_context
def intelligibility(context, speech, split, per_corpus, corpora, model, out, results):
    """Phone errors in every language and English word errors, synthetic beside natural held-out sentences."""
    from recipes.evaluate import experiments
    from recipes.evaluate.asr import EnglishRecogniser
    from recipes.evaluate.clips import read_clips, select
    from recipes.evaluate.house import House, text_phones
    from tts.aligner import Aligner

    house = House.load(model)
    clips = select(read_clips(speech, split), per_corpus, corpora or None)
    rows, records = experiments.intelligibility(clips, lambda clip: house.speak(clip).wav, text_phones, Aligner.load().recognise,
                                                EnglishRecogniser())
    write(context, "Intelligibility: natural and synthetic speech of the same sentences", rows, records, [
        "Phones by the project's own aligner-recogniser, without stress, tone and length; words by pocketsphinx, a small old "
        "recogniser. Sentences of readers who are no house voice are spoken by a house voice of their language. Goal: at most "
        "1.5 times natural."])


@evaluate.command()
@with_outputs
@MODEL
@click.pass_context
def paragraph(context, model, out, results):
    """The same paragraph in five languages, by every voice."""
    import frontend
    from frontend.languages import resolve
    from recipes.evaluate import experiments
    from recipes.evaluate.asr import EnglishRecogniser
    from recipes.evaluate.paragraph import PARAGRAPHS
    from tts.aligner import Aligner
    from tts.api import Synthesizer

    synthesizer = Synthesizer(model=model)
    rows, records = experiments.paragraphs(
        {resolve(tag).tag: text for tag, text in PARAGRAPHS.items()}, synthesizer.voices(),
        lambda text, language, voice: synthesizer.synth(text, language=language, voice=voice).samples,
        lambda text, language: [int(phone) for clause in frontend.process(text, language) for phone in clause.ids],
        Aligner.load().recognise, EnglishRecogniser())
    write(context, "One paragraph in five languages", rows, records, [
        "Every voice speaks every language. Phones by the project's own aligner-recogniser, English words by pocketsphinx."])


@evaluate.command()
@table_options("test")
@click.option("--speakers", type=click.IntRange(2), default=10, show_default=True, metavar="N", help="Speakers to clone.")
@MODEL
@click.pass_context
def similarity(context, speech, split, per_corpus, corpora, speakers, model, out, results):
    """Speaker similarity of cloned unseen speakers and of the house voices, beside natural pairs."""
    from recipes.evaluate import experiments
    from recipes.evaluate.clips import by_speaker, read_clips, select, unseen_speakers
    from recipes.evaluate.house import House
    from recipes.evaluate.similarity import SpeakerJudge

    house, judge = House.load(model), SpeakerJudge()
    unseen = unseen_speakers(speech, split).values()
    strangers = by_speaker(clip for clips in unseen for clip in clips if clip.language.startswith("en"))
    rows, records = experiments.similarity(
        select(strangers, 4, sorted(strangers)[:speakers], max_seconds=20),
        lambda reference, sentence: house.speak(sentence, house.clone(reference)).wav, judge, "cloned")
    own = [clip for clip in select(read_clips(speech, split), per_corpus, corpora or None) if house.has_own_voice(clip)]
    if len({clip.speaker for clip in own}) > 1:
        more, others = experiments.similarity(own, lambda _, sentence: house.speak(sentence).wav, judge, "house voices")
        rows += [{**row, "pairs": f"{row['pairs']} (house voices)"} for row in more[:-1]] + more[-1:]
        records += others
    write(context, "Similarity: cloned and named voices", rows, records, [
        "Cosine of Resemblyzer embeddings. Score: 0 is the mean of different natural speakers, 1 that of two natural clips of "
        "one speaker; the goal is above 0.5. Cloned speakers were never in training. Neither the clip that is cloned nor the "
        "recording of the spoken sentence is among those compared with."])


@evaluate.command()
@table_options("test")
@MODEL
@click.pass_context
def naturalness(context, speech, split, per_corpus, corpora, model, out, results):
    """DNSMOS of every house voice beside its own recordings, WORLD copies and espeak-ng."""
    from recipes.evaluate import baselines, experiments
    from recipes.evaluate.clips import read_clips, samples, select
    from recipes.evaluate.house import House

    house = House.load(model)
    clips = [clip for clip in select(read_clips(speech, split), per_corpus, corpora or None) if house.has_own_voice(clip)]
    rows, records = experiments.naturalness(clips, {
        "natural": samples, "house": lambda clip: house.speak(clip).wav,
        "WORLD copy": lambda clip: baselines.world_copy(samples(clip)),
        "espeak-ng": lambda clip: baselines.espeak_speech(clip.text, clip.language)})
    write(context, "Naturalness: DNSMOS by voice", rows, records, [
        "DNSMOS (1 to 5) hears noise, buzz and dullness, not wrong tones or flat intonation. All clips at one level, 16 kHz. "
        "Goal: within 0.3 of natural."])


@evaluate.command()
@with_outputs
@click.option("--runs", type=click.IntRange(1), default=5, show_default=True, metavar="N", help="Fresh processes a row.")
@click.option("--language", "languages", multiple=True, type=click.Choice(["en", "de", "nl", "fr", "zh"]), default=["en"],
              show_default=True, help="May be repeated.")
@MODEL
@click.pass_context
def speed(context, runs, languages, model, out, results):
    """Real-time factor, first audio, memory and cold start."""
    from recipes.evaluate.speed import measure_speed

    rows, records = measure_speed(model, list(languages), runs)
    write(context, "Speed and memory", rows, records, [
        "Medians of fresh processes; first audio after everything is loaded; peak memory with the worker processes. "
        "Goals: RTF 0.15, first audio 300 ms, 1 GB, cold command 4 s."])


@evaluate.command()
@click.option("--runs", type=click.IntRange(1), default=5, show_default=True, help="Fresh processes a text.")
@click.option("--model", metavar="NAME|DIR", help="Model of parlance; the default one if left out.")
@with_outputs
@click.pass_context
def peers(context, runs, model, out, results):
    """Synthesisers that are installed here, beside this one: speed, first audio, memory and start-up."""
    from recipes.evaluate import peers

    rows, records = peers.measure_peers(peers.peers(model), runs)
    write(context, "Beside other synthesisers", rows, records, [
        "Medians of fresh processes, from their start. RTF is of the paragraph without start-up: what it takes longer than the "
        "word, by what it speaks longer. First audio: first bytes on standard output, or the end where a peer writes a file. "
        "Peers are those that speak offline as installed; neural ones from the registries download their voices first."])


@evaluate.command()
@click.option("--runs", type=click.IntRange(1), default=3, show_default=True, help="Of each text; the quickest counts.")
@MODEL
@with_outputs
@click.pass_context
def engines(context, runs, model, out, results):
    """Engines of the CPU: speed, and how near they come to float32."""
    from recipes.evaluate.engines import measure_engines
    from recipes.evaluate.paragraph import PARAGRAPHS

    rows, records = measure_engines(model, PARAGRAPHS, runs)
    write(context, "Engines of the CPU", rows, records, [
        "One process, the same paragraph, voice and seed in five languages, engines in turn; all but fp32 against its samples. "
        "PESQ goes up to 4.64. SNR falls with the length of a clause where F0 differs in its last bits, since the pulses add it "
        "up. Chosen in silence is only what keeps the vocoder within 30 dB at equal F0 (tts check --bench)."])


@evaluate.command()
@with_outputs
@click.option("--minutes", multiple=True, type=click.IntRange(1, 100), default=[1, 10, 100], show_default=True, metavar="N",
              help="Minutes of text; may be repeated.")  # fmt: skip
@MODEL
@click.pass_context
def length(context, minutes, model, out, results):
    """Real-time factor and memory against the length of the text."""
    from recipes.evaluate.length import measure_length

    rows, records = measure_length(model, list(minutes))
    write(context, "Cost against length", rows, records, [
        "One fresh process a row, streamed; peak memory with the worker processes. Sentences of the same lengths in every "
        "minute, their words in chance order. Goals: the same RTF and first audio in all rows, up to 24 MiB more in the last."])


@evaluate.command()
@table_options("dev")
@click.option("--candidate", "candidates", multiple=True, metavar="NAME=MODEL", default=["fs2=fs2", "flow=flow"],
              show_default=True, help="An acoustic model, by installed name or folder; may be repeated.")
@click.pass_context
def ablation(context, speech, split, per_corpus, corpora, candidates, out, results):
    """Acoustic models side by side on the dev set: fs2 and flow, style ids on and off."""
    from recipes.evaluate import experiments
    from recipes.evaluate.asr import EnglishRecogniser
    from recipes.evaluate.clips import read_clips, select
    from recipes.evaluate.house import House, text_phones
    from tts.aligner import Aligner

    def speaker(model):
        house = House.load(model)

        def speak(clip):
            spoken = house.speak(clip)
            return spoken.wav, spoken.rtf

        return speak

    clips = select(read_clips(speech, split), per_corpus, corpora or None)
    models = {name: speaker(model) for name, model in map(named, candidates)}
    rows, records = experiments.ablation(clips, models, text_phones, Aligner.load().recognise, EnglishRecogniser())
    write(context, "Acoustic models on the dev set", rows, records, [
        "MCD and F0 along the best time alignment with the recording of the same sentence; lower is better but for DNSMOS. "
        "Phone errors do not see tones: the F0 column does."])


@evaluate.command()
@table_options("test")
@click.option("--candidate", "candidates", multiple=True, metavar="NAME=MODEL", default=[f"{name}={name}" for name in SYSTEMS],
              show_default=True, help="A system, by installed name or folder; may be repeated.")
@click.option("--speakers", type=click.IntRange(0), default=8, show_default=True, metavar="N", help="Unseen speakers to clone.")
@click.pass_context
def systems(context, speech, split, per_corpus, corpora, candidates, speakers, out, results):
    """Every system on the same held-out sentences: house voices, and unseen speakers cloned from another clip."""
    from recipes.evaluate import experiments
    from recipes.evaluate.asr import EnglishRecogniser
    from recipes.evaluate.clips import by_speaker, read_clips, samples, select, unseen_speakers
    from recipes.evaluate.house import House, text_phones
    from recipes.evaluate.similarity import SpeakerJudge
    from tts.aligner import Aligner
    from tts.models.zmm import KINDS as ZMM

    houses = {name: House.load(model) for name, model in map(named, candidates)}
    first = next(iter(houses.values()))
    own = [clip for clip in select(read_clips(speech, split), per_corpus, corpora or None) if first.has_own_voice(clip)]
    unseen = unseen_speakers(speech, split).values()
    strangers = by_speaker(clip for clips in unseen for clip in clips if clip.language.startswith("en"))
    pairs = [sorted(clips, key=lambda clip: clip.seconds)[-2:] for clips in strangers.values() if len(clips) > 1][:speakers]
    reference = {sentence.id: longest for sentence, longest in pairs}

    def speaker(house):
        def speak(clip):
            spoken = house.speak(clip, house.clone(reference[clip.id]) if clip.id in reference else None)
            return spoken.wav, spoken.rtf

        return speak

    def copier(house):
        def copy(clip):
            copied = house.copied(clip, samples(clip), house.clone(reference[clip.id]) if clip.id in reference else None)
            return copied.wav, copied.rtf

        return copy

    models = {}
    for name, house in houses.items():
        models[name] = speaker(house)
        if house.kind in ZMM:
            models[f"{name}, units of the recording"] = copier(house)
    rows, records = experiments.systems(
        [*own, *(sentence for sentence, _ in pairs)], models, text_phones,
        Aligner.load().recognise, EnglishRecogniser(), SpeakerJudge(),
        lambda clip: "cloned, unseen" if clip.id in reference else "house")
    write(context, "Systems on the same held-out sentences", rows, records, [
        "Similarity (Resemblyzer) to the recording of the same sentence. Cloned from the speaker's longest other clip. Phones by "
        "the package's own recogniser, English words by pocketsphinx. RTF with the analysis of the text. Units of the recording: "
        "what the half behind the units makes of those, not of what a text half tells."])


@evaluate.command()
@table_options("test")
@click.option("--codec", "folder", metavar="DIR", help="Codec to judge; the house codec if left out.")
@click.option("--without-codec", is_flag=True, help="Only the systems beside it: Opus, natural, --also, --autoencoder.")
@click.option("--books", "counts", multiple=True, type=click.IntRange(1), default=[3, 4, 8], show_default=True, metavar="N",
              help="Books; may be repeated.")
@click.option("--also", multiple=True, metavar="NAME=DIR", help="A further codec, at the same books; may be repeated.")
@click.option("--autoencoder", metavar="DIR", help="A codec trained with task.quantize=false: its latent is not quantised.")
@click.option("--opus", "rates", multiple=True, type=click.FloatRange(6, 256), default=[6, 8, 12, 16], show_default=True,
              metavar="KBPS", help="Opus asked for so many kbit/s; may be repeated.")
@click.option("--speakers", type=click.Choice(["unseen", "all"]), default="unseen", show_default=True,
              help="Those who are not in training, or those of all languages.")
@click.option("--dnsmos", "with_dnsmos", is_flag=True, help="DNSMOS too, which takes longer than all else together.")
@click.pass_context
def codec(context, speech, split, per_corpus, corpora, folder, without_codec, counts, also, autoencoder, rates, speakers,
          with_dnsmos, out, results):  # fmt: skip
    """The codec beside Opus and published codecs; use of its books; its cost. Three tables."""
    from recipes.evaluate import codec as experiments
    from recipes.evaluate import copies, published
    from recipes.evaluate.clips import read_clips, select, unseen_speakers
    from recipes.evaluate.house import text_phones
    from recipes.evaluate.similarity import SpeakerJudge
    from tts.aligner import Aligner
    from vocoder.api import Vocoder

    systems = {f"Opus, asked for {rate:g} kbit/s": copies.opus(rate) for rate in rates}
    house = None if without_codec else _codec(folder)
    codecs = ({} if house is None else {"house": house}) | {name: _codec(path) for name, path in map(named, also)}
    for name, model in codecs.items():
        systems |= {f"{name}, {n} books": copies.coded(model, n) for n in counts if n in _books(model)}
    if autoencoder:
        systems["autoencoder, not quantised"] = copies.unquantised(_codec(autoencoder).model)
    systems["house vocoder, natural mel and F0"] = copies.resynthesised(Vocoder.load())
    clips = select((read_clips if speakers == "all" else unseen_speakers)(speech, split), per_corpus, corpora or None)
    rows, records = experiments.copies(clips, systems, text_phones, Aligner.load().recognise, SpeakerJudge().embed, with_dnsmos)
    people, languages = len({clip.speaker for clip in clips}), ", ".join(sorted({clip.language for clip in clips}))
    write(context, "Codec: copies of held-out recordings", rows + published.published_rows(), records, [
        f"{people} speakers{'' if speakers == 'all' else ' who are not in training'}, languages {languages}. Columns: "
        "docs/codec.md, Evaluation.", published.note()])
    if house is None:
        return
    rows, records = experiments.books(clips, house)
    write(context, "Codec: use of its books", rows, records, [
        f"All {house.n_books} books, {sum(record['frames'] for record in records):,} frames of the same clips. Unchanged: codes "
        "of decoded speech that is encoded again."], "codec-books")
    rows, records = experiments.costs(clips[:10], house, [n for n in counts if n in _books(house)])
    write(context, "Codec: cost of its parts, saving of its entropy coder", rows, records, [
        f"Processor seconds of one thread a second of audio, medians of {experiments.REPEATS} runs of each of the first "
        f"{len(clips[:10])} clips. Controls: what drives the vocoder, read from the codes; pitch: its pulse train. The token "
        "file holds those clips one after the other."], "codec-cost")


@evaluate.command("codec-probe")
@click.option("--dump", default="egs/house/tts1/dump", show_default=True, metavar="DIR", help="Features of the house corpus.")
@click.option("--codec", "codecs", multiple=True, metavar="NAME=DIR",
              help="A codec; may be repeated. The house codec if left out.")
@click.option("--books", "n_books", type=click.IntRange(1), default=4, show_default=True, metavar="N", help="Books.")
@click.option("--clips", "n_clips", type=click.IntRange(1), default=600, show_default=True, metavar="N",
              help="Training utterances that the probes learn from.")
@with_outputs
@click.pass_context
def codec_probe(context, dump, codecs, n_books, n_clips, out, results):
    """What the first books know of phone, voicing and pitch: linear probes on codes, speakers held out."""
    from recipes.evaluate import probe
    from tts.aligner import Aligner

    models = {name: _codec(path) for name, path in map(named, codecs)} or {"house": _codec(None)}
    train, test = probe.choose(dump, n_clips)
    aligner = Aligner.load()
    frames = [probe.read_frames(*chosen, models, n_books, aligner, what) for chosen, what in ((train, "train"), (test, "test"))]
    rows, records = probe.probe_rows(*frames, {name: model.model.quantizer.codebook_size for name, model in models.items()})
    write(context, "Codec: what its first books know", rows, records, [
        f"Ridge regression on one-hot codes, encoded with {n_books} books; of one code a frame that is a table "
        "(commonest phone, mean pitch); where frames are coded in groups, all codes of the group tell. "
        f"Fitted on {len(frames[0].f0):,} frames of {len(train[1])} training utterances, judged "
        "on speakers who are not in training. Phones by forced alignment. F0 by DIO and StoneMask; R² and root mean square "
        "error over voiced frames."])


@evaluate.command()
@table_options("test")
@click.option("--model", required=True, metavar="NAME|DIR", help="A flow or infill.")
@SPEAKER_ENCODER
@click.pass_context
def solver(context, speech, split, per_corpus, corpora, model, speaker_encoder, out, results):
    """Euler, midpoint and bespoke solvers at 4 and 8 evaluations beside midpoint at 32: mel, phone error, similarity."""
    from recipes.evaluate import solver as experiment
    from recipes.evaluate.clips import read_clips, samples, select
    from recipes.evaluate.house import House, text_phones
    from tts.aligner import Aligner
    from tts.models.speaker import SpeakerEncoder
    from vocoder.audio.mel import log_mel

    house, encoder = House.load(model), SpeakerEncoder.load(speaker_encoder)
    house.synthesizer.warm()
    acoustic = house.synthesizer._acoustic
    if not hasattr(acoustic, "solvers"):
        raise click.BadParameter(f"{model} is a {acoustic.kind}, which has no solver.", param_hint="--model")
    own = [clip for clip in select(read_clips(speech, split), per_corpus, corpora or None) if house.has_own_voice(clip)]
    records = experiment.measure(own, house.voice_of, experiment.systems(acoustic), experiment.of_house(house.synthesizer),
                                 text_phones, Aligner.load().recognise, lambda wav: encoder.embed(log_mel(wav)), samples)
    write(context, f"Solver: few evaluations beside many, {house.kind}", experiment.table(records), [
        {key: value for key, value in record.items() if key != "edits"} for record in records], [
        f"Guidance {acoustic.config.guidance:g}, temperature {acoustic.config.temperature:g}, the same noise for all; with "
        "guidance the network runs twice an evaluation. Mel: mean absolute difference to the first row. Phones by the project's "
        "own recogniser. Cosine of the speaker encoder to the recording of the sentence. Goal: bespoke equal to the first row "
        "within noise."])


@evaluate.command()
@option("--speech", default="../shared/speech", metavar="DIR", help="Corpus folder with metadata.tsv.")
@option("--clips", type=click.IntRange(1), default=1000, metavar="N", help="Spoken sentences, and recordings.")
@option("--every", type=click.IntRange(1), default=5, metavar="N", help="The costly attacks on every N-th clip.")
@option("--compared", type=click.IntRange(1), default=60, metavar="N", help="Clips of the tables cost and spliced.")
@click.option("--table", "tables", multiple=True, type=click.Choice(["attacks", "null", "spliced", "cost"]),
              help="Only this one; may be repeated.")
@click.option("--dnsmos", "with_dnsmos", is_flag=True, help="DNSMOS too, which takes longer.")
@MODEL
@with_outputs
@click.pass_context
def watermark(context, speech, clips, every, compared, tables, with_dnsmos, model, out, results):
    """Detection after attacks, false alarms, the null, splices, and what the mark costs: four tables."""
    from recipes.evaluate import watermark as experiments
    from recipes.evaluate.clips import samples
    from recipes.evaluate.house import House, text_phones
    from recipes.evaluate.similarity import SpeakerJudge
    from recipes.progress import track
    from tts.aligner import Aligner
    from tts.watermark import THRESHOLD, Mark
    from vocoder.api import Vocoder
    from vocoder.nn.checkpoint import load_config

    mark, house = Mark.load(), House.load(model)
    texts, recordings = experiments.choose(speech, clips, ("ml_smc",)), experiments.choose(speech, clips)

    def wanted(table):
        return not tables or table in tables

    if wanted("attacks"):
        attacks = experiments.attacks(_codec(None), Vocoder.load())
        spoken = track(experiments.speak(texts, house, every), "spoken", len(texts))
        model_id = load_config(house.synthesizer.folder)["model_id"]
        rows, records = experiments.survival(spoken, recordings, mark, model_id, attacks, every)
        write(context, "Watermark: detection after attacks", rows, records, [
            f"Spoken sentences of up to 6 s. Detected: p < {THRESHOLD:g} for the whole file, with all offsets, windows, speeds "
            "and pitches counted. None of n clips: the rate is below 3/n with 95 % confidence."], "watermark-attacks")
    compare = list(experiments.speak(texts[:compared], house)) if {"null", "spliced", "cost"} & {*tables} or not tables else []
    if wanted("null"):
        sounds = {"recordings": map(samples, recordings), "own speech, unmarked": (plain for _, _, plain in compare),
                  **experiments.artificial(max(2, clips // 20))}  # fmt: skip
        rows, records = experiments.null(sounds, mark)
        write(context, "Watermark: what the detector says of sound without it", rows, records, [
            f"The strongest deviation at any offset of a whole clip, in standard deviations. A p-value counts all {mark.period} "
            "offsets as independent tries, which they are not quite, so that fewer than promised pass it."], "watermark-null")
    if wanted("spliced"):
        pairs = [(samples(clip), marked) for clip, (_, marked, _) in zip(recordings, compare, strict=False)]
        rows, records = experiments.spliced(pairs, mark)
        write(context, "Watermark: marked speech between halves of a recording", rows, records, [], "watermark-spliced")
    if wanted("cost"):
        rows, records = experiments.cost(compare, text_phones, Aligner.load().recognise, SpeakerJudge().embed, with_dnsmos)
        write(context, "Watermark: what it costs", rows, records, [
            "The same text, voice and seed with and without the mark. A ratio of signal to noise says nothing here: the mark "
            "changes the gain of bands by about a decibel, it adds no noise."], "watermark-cost")


@evaluate.command()
@option("--speech", default="../shared/speech", metavar="DIR", help="Corpus folder with metadata.tsv.")
@option("--split", type=click.Choice(["dev", "test"]), default="test", help="Clips to judge.")
@option("--corpus", default="en_testclean", metavar="NAME", help="Of this corpus.")
@option("--edits", type=click.IntRange(1), default=20, metavar="N", help="Edits, one a clip, speakers in turn.")
@option("--candidates", type=click.IntRange(1, 256), default=16, metavar="N", help="Prosodies that are drawn.")
@with_outputs
@MODEL
@click.pass_context
def editing(context, speech, split, corpus, edits, candidates, model, out, results):
    """Automatic word replacements in recordings: phone errors, similarity, joins, samples outside."""
    from recipes.evaluate import editing as experiment
    from recipes.evaluate.clips import read_clips, select
    from recipes.evaluate.house import CONSENT
    from recipes.evaluate.similarity import SpeakerJudge
    from tts.api import Synthesizer
    from tts.voice import Voice

    synthesizer = Synthesizer(model=model)
    clips = select(read_clips(speech, split), 3 * edits, [corpus])  # not every clip has a word that serves
    rows, records = experiment.editing(
        clips,
        lambda item: synthesizer.edit(item.clip.wav, item.clip.text, replace=[(item.old, item.new)], language=item.clip.language,
                                      consent=CONSENT, candidates=candidates),
        experiment.frame_recogniser(), SpeakerJudge().embed,
        lambda clip, text: synthesizer.synth(text, language=clip.language,
                                             voice=Voice.from_audio([clip.wav], consent=CONSENT)).samples, edits)
    write(context, "Editing: a word replaced in held-out recordings", rows, records, experiment.NOTES)


@evaluate.command()
@table_options("test")
@click.pass_context
def references(context, speech, split, per_corpus, corpora, out, results):
    """What the report of a cloned voice is worth: recordings spoilt in known ways, and sounds that are no speech."""
    from recipes.evaluate import references as experiments
    from recipes.evaluate.clips import read_clips, select

    found = read_clips(speech, split)
    clips, talkers = (select(found, n, corpora or None) for n in (per_corpus, 1000))
    rows, records = experiments.report_rows(clips, talkers)
    write(context, "References: warnings and refusals", rows, records, [
        "Share of recordings that a voice was refused of, and of the others the share with each warning (docs/voices.md). Rooms "
        "are decaying noise, sounds are made by the command: real rooms and real music will differ."])
    write(context, "References: voice activity under noise", experiments.activity_rows(clips), [], [
        f"Frames of {len(clips)} clips. Noise below the active speech; 60 dB stands for none."], "references-activity")


@evaluate.command()
@table_options("test")
@click.option("--model", metavar="DIR", help="Patches model; the house model if left out.")
@click.option("--passes", multiple=True, type=click.IntRange(1, 128), default=[1, 4, 8, 16], show_default=True, metavar="N",
              help="Of the masked model; may be repeated.")  # fmt: skip
@click.option("--rate", type=click.IntRange(4000, 20_000), default=8000, show_default=True, metavar="HZ",
              help="Sample rate that the recordings are brought to.")  # fmt: skip
@click.pass_context
def enhance(context, speech, split, per_corpus, corpora, model, passes, rate, out, results):
    """Bandwidth extension: distance above the cut-off beside interpolation."""
    from recipes.evaluate import enhance as experiment
    from recipes.evaluate.clips import read_clips, select
    from tts.enhance import Enhancer
    from tts.models.patches import WHOLE_BAND

    whole = {name: [clip for clip in clips if (clip.bandwidth_hz or 0) >= WHOLE_BAND]
             for name, clips in read_clips(speech, split).items()}  # fmt: skip
    rows, records = experiment.extension(select(whole, per_corpus, corpora or None), Enhancer.load(model), passes, rate)
    write(context, f"Bandwidth extension from {rate / 2000:g} kHz", rows, records, [
        f"Held-out recordings of the whole band, brought to {rate} Hz and back. Mean difference of log-mels above "
        f"{rate / 2000:g} kHz, pauses left out; of a frame: of its mean over these bands. Passes: the mel that the masked model "
        "finds; samples: that of what tts enhance writes, by the vocoder and with the crossover; true codes: what the tiles "
        "themselves lose. Straight line: through the last 20 bands of a frame."])


@evaluate.command()
@table_options("test")
@click.option("--model", default="masked", show_default=True, metavar="NAME|DIR", help="A masked or flow model.")
@click.option("--passes", "budgets", multiple=True, type=click.IntRange(1, 128), default=[1, 4, 8, 16, 32], show_default=True,
              metavar="N", help="As tts synth --steps; may be repeated.")  # fmt: skip
@SPEAKER_ENCODER
@click.pass_context
def passes(context, speech, split, per_corpus, corpora, model, budgets, speaker_encoder, out, results):
    """Quality of a model against its budget of passes."""
    from recipes.evaluate import passes as experiment
    from recipes.evaluate.clips import read_clips, select
    from recipes.evaluate.house import House, text_phones
    from recipes.evaluate.judges import speaker_judges
    from tts.aligner import Aligner

    house, (judges, about) = House.load(model), speaker_judges(speaker_encoder)
    clips = [clip for clip in select(read_clips(speech, split), per_corpus, corpora or None) if house.has_own_voice(clip)]

    def speak(clip, steps):
        spoken = house.speak(clip, steps=steps)
        return spoken.wav, spoken.rtf

    rows, records = experiment.quality(clips, speak, budgets, text_phones, Aligner.load().recognise, judges)
    write(context, f"Passes, {house.kind}", rows, records, [
        "House voices say sentences of their own held-out recordings. Passes of a masked model: over its units, and as many over "
        "the first level of tokens; every other level takes one. Similarity: cosine to the speaker's other recordings. "
        f"{about} Phones by the project's own recogniser."], f"passes-{house.kind}")


@evaluate.command()
@click.argument("file", required=False, metavar="[FILE]")
@option("--speech", default="../shared/speech", metavar="DIR", help="Corpus whose sentences make a book where no FILE is given.")
@option("--minutes", type=click.FloatRange(0.1), default=60.0, metavar="N", help="Length of that book, as its readers read it.")
@option("--language", default="en-us", metavar="TAG", help="Of that book.")
@option("--folder", default="exp/book", metavar="DIR", help="Where the audiobook is made; finished chapters in it are kept.")
@click.option("--voice", metavar="NAME", help="Voice; the first of the language if left out.")
@MODEL
@with_outputs
@click.pass_context
def book(context, file, speech, minutes, language, folder, voice, model, out, results):
    """A book to an audiobook with chapters: time, memory, and whether a sentence is lost."""
    from pathlib import Path

    from recipes.evaluate import book as experiment
    from tts.aligner import Aligner

    Path(folder).mkdir(parents=True, exist_ok=True)
    text = Path(file) if file else experiment.write_book(Path(folder), speech, language, minutes)
    made, cost = experiment.make_audiobook(text, Path(folder), voice, model)
    rows, records = experiment.check(text, made, cost, Aligner.load().recognise)
    write(context, "A book spoken whole", rows, records, [
        "By tts book in a process of its own; peak memory with its workers; CPU time of all its threads. Times are those of "
        "this run: chapters that an earlier one had finished cost nothing, and their number is told. Each sentence is cut out "
        "of its chapter's file by the times of the subtitles, and its phones are heard by the package's own recogniser. Lost: "
        "fewer than half of its phones are heard (none, of a sentence of up to four), or its words are not in the subtitles."])


def _codec(folder):
    from codec import Codec

    return Codec.load(folder)


def _books(codec) -> range:
    return range(codec.min_books, codec.n_books + 1)
