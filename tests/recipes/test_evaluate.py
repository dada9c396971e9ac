"""The measures on signals whose answer is known, the choice of clips, and the tables."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import click
import numpy as np
import pytest
from click.testing import CliRunner

from recipes.datadir import Utterance
from recipes.evaluate import command, experiments
from recipes.evaluate.asr import english_words
from recipes.evaluate.clips import in_turns, read_clips, samples, select
from recipes.evaluate.edits import Edits, count_edits, total
from recipes.evaluate.figures import mean_figure, rate_figure
from recipes.evaluate.house import House
from recipes.evaluate.intrusive import aligned_distance, mel_distance, pesq_wide, pitch_error, stoi
from recipes.evaluate.naturalness import to_level
from recipes.evaluate.options import command_line
from recipes.evaluate.per import phone_edits
from recipes.evaluate.similarity import NaturalScale, natural_scale, nearest_speaker
from recipes.evaluate.tables import Table
from tts.base import strict_json
from tts.base.errors import DataError, UnavailableError
from vocoder.audio.f0 import extract_f0
from vocoder.audio.io import resample
from vocoder.audio.mel import log_mel

RATE = 24_000


def vowel(f0=150.0, seconds=1.2):
    """A buzz with syllables: loud enough for every judge to call it speech."""
    t = np.arange(int(RATE * seconds)) / RATE
    tone = sum(np.sin(2 * np.pi * k * f0 * t) / k for k in range(1, 30))
    return (0.1 * tone * (0.55 + 0.45 * np.sin(2 * np.pi * 4 * t))).astype(np.float32)


def write_corpus(root: Path, rows):
    from vocoder.audio.io import write_audio

    header = "id\tpath\tsplit\tspeaker\tgender\tlang\tbandwidth_hz\tseconds\ttext"
    lines = [header]
    for key, corpus, split, speaker, language, seconds in rows:
        (root / corpus).mkdir(parents=True, exist_ok=True)
        write_audio(root / corpus / f"{key}.flac", vowel(), RATE)
        lines.append(f"{key}\t{corpus}/{key}.flac\t{split}\t{speaker}\tf\t{language}\t12000\t{seconds}\tHello there {key[-1]}.")
    (root / "metadata.tsv").write_text("\n".join(lines) + "\n")


def test_edits_count_each_kind():
    pytest.importorskip("jiwer")
    assert count_edits(["a", "b", "c", "d"], ["a", "x", "c", "d", "e"]) == Edits(1, 0, 1, 4)
    assert count_edits([7, 8], []) == Edits(0, 2, 0, 2)
    assert count_edits([], [7]) == Edits(0, 0, 1, 0)
    assert total([Edits(1, 0, 0, 4), Edits(0, 2, 0, 4)]).rate == 3 / 8


def test_rates_weigh_clips_by_length_and_intervals_hold_the_value():
    figure = rate_figure([Edits(1, 0, 0, 1), Edits(0, 0, 0, 9)])
    assert figure.value == 0.1 and figure.low <= 0.1 <= figure.high and figure.low < figure.high
    assert str(mean_figure([1.0, None])) == "1.00" and mean_figure([1.0, None, 3.0]).n == 2
    assert str(mean_figure([None])) == "–"
    assert mean_figure([2.0] * 5).low == mean_figure([2.0] * 5).high == 2.0


def test_english_words_read_numbers_and_abbreviations():
    assert english_words("Dr. O’Neil paid 1,250 dollars, didn't he? — On the 3rd!") == (
        [
            "doctor",
            "o'neil",
            "paid",
            "one",
            "thousand",
            "two",
            "hundred",
            "and",
            "fifty",
            "dollars",
            "didn't",
            "he",
            "on",
            "the",
            "third",
        ]
    )
    assert english_words("'Twas café-au-lait, 50%") == ["twas", "cafe", "au", "lait", "fifty", "percent"]


def test_phone_errors_leave_out_marks_on_both_sides():
    pytest.importorskip("jiwer")
    assert phone_edits([1, 20, 2, 21, 22, 4], np.zeros(9), lambda wav: [20, 1, 22]) == Edits(0, 1, 0, 3)


def test_pitch_error_in_cents():
    f0 = np.array([0, 100, 200, 150, 0, 120], np.float32)
    same = pitch_error(f0, f0)
    assert (same.cents, same.gross, same.voicing) == (0, 0, 0)
    shifted = pitch_error(f0, f0 * np.float32(2 ** (1 / 12)))
    assert shifted.cents == pytest.approx(100, abs=0.01) and shifted.gross == 1
    devoiced = pitch_error(f0, np.where(f0 == 120, 0, f0))
    assert devoiced.voicing == pytest.approx(1 / 6) and devoiced.cents == 0
    assert pitch_error(f0, np.zeros(6)).cents is None


def test_mel_distance_is_the_level_difference_and_stops_at_the_bandwidth():
    mel = log_mel(vowel())
    assert mel_distance(mel, mel) == 0
    assert mel_distance(mel, mel + np.log(2).astype(np.float32)) == pytest.approx(6.02, abs=0.01)
    dull = mel.copy()
    dull[:, -20:] -= 3
    assert mel_distance(mel, dull, 4_000) == 0 < mel_distance(mel, dull)


def test_aligned_distance_forgives_timing_not_pitch():
    pytest.importorskip("librosa")
    rng = np.random.default_rng(0)
    mel = np.cumsum(rng.standard_normal((80, 100)), axis=0).astype(np.float32)
    f0 = 100 + 50 * rng.random(80)
    slow = np.repeat(np.arange(80), 2)
    stretched = aligned_distance(mel, mel[slow], f0, f0[slow])
    assert (stretched.mcd, stretched.f0_cents, stretched.duration_ratio) == (0, 0, 2)
    assert aligned_distance(mel, mel, f0, f0 * 2 ** (1 / 12)).f0_cents == pytest.approx(100)
    assert aligned_distance(mel, mel[:, ::-1], f0, f0).mcd > 1


def test_pesq_and_stoi_prefer_less_noise():
    pytest.importorskip("pesq")
    pytest.importorskip("pystoi")
    wav = resample(vowel(seconds=2.0), RATE, 16_000)
    noise = np.random.default_rng(0).standard_normal(len(wav)).astype(np.float32)
    scores = [(pesq_wide(wav, wav + level * noise), stoi(wav, wav + level * noise)) for level in (0.0, 0.01, 0.1)]
    assert scores[0] == (pytest.approx(4.64, abs=0.01), pytest.approx(1.0, abs=1e-6))
    assert scores[0] > scores[1] > scores[2] and scores[0][1] > scores[1][1] > scores[2][1]
    assert stoi(wav[:4000], wav[:4000]) is None
    assert pesq_wide(np.zeros(32_000, np.float32), np.zeros(32_000, np.float32)) is None


def test_level_ignores_silence_and_refuses_it():
    wav = vowel()
    padded = np.concatenate([np.zeros(RATE, np.float32), 0.01 * wav, np.zeros(RATE, np.float32)])
    assert np.std(to_level(padded, RATE)[RATE:-RATE]) == pytest.approx(np.std(to_level(wav, RATE)), rel=0.02)
    assert np.abs(to_level(np.eye(1, 4800, dtype=np.float32)[0], RATE)).max() <= 1
    with pytest.raises(DataError, match="silent"):
        to_level(np.zeros(4800, np.float32), RATE)


def test_similarity_scale_puts_natural_pairs_at_one_and_zero():
    def at(degrees):
        return np.array([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))])

    clips = {"anna": [at(0), at(10)], "bert": [at(80), at(90)]}
    scale = natural_scale(clips, {"anna": "f", "bert": "m"})
    assert scale.same == pytest.approx(np.cos(np.radians(10))) and scale.different_same_gender is None
    assert scale.score(scale.same) == 1 and scale.score(scale.different) == 0
    assert nearest_speaker(at(30), clips) == "anna" and nearest_speaker(at(60), clips) == "bert"
    assert NaturalScale(0.8, 0.4, None, 1, 1).score(0.7) == pytest.approx(0.75)
    with pytest.raises(DataError, match="two speakers"):
        natural_scale({"anna": [at(0), at(1)]}, {"anna": "f"})


def test_similarity_compares_with_other_clips_only(monkeypatch):
    clips = [Utterance(f"{speaker}{i}", Path(f"{speaker}{i}"), "x", speaker, "en-us") for speaker in "ab" for i in range(4)]
    monkeypatch.setattr(experiments, "samples", lambda clip, rate: clip.id)
    monkeypatch.setattr(experiments, "to_16k", lambda made: made)
    where = {"a0": 40, "a1": 40, "a2": 0, "a3": 4, "b0": 50, "b1": 0, "b2": 50, "b3": 50}

    class Judge:
        def embed(self, wav):
            return np.array([np.cos(np.radians(where[wav])), np.sin(np.radians(where[wav]))])

    _, records = experiments.similarity(clips, lambda reference, sentence: reference.id, Judge(), "copied")
    assert records[0]["cosine"] == pytest.approx(np.mean([np.cos(np.radians(40)), np.cos(np.radians(36))]))
    assert records[0]["to_reference"] == pytest.approx(1) and records[0]["nearest"] == "b"
    assert records[1]["cosine"] == pytest.approx(1) and records[1]["nearest"] == "b"


def test_baselines_say_the_same_again():
    from recipes.evaluate.baselines import griffin_lim, magnitude_of, world_copy

    wav, mel = vowel(180.0), log_mel(vowel(180.0))
    from vocoder.audio.mel import mel_filterbank

    back = np.log(np.maximum(magnitude_of(mel) @ mel_filterbank().numpy(), 1e-5))
    assert np.abs(back - mel).mean() < 0.1
    for made in (griffin_lim(mel), world_copy(wav)):
        assert len(made) == len(mel) * 320
        assert pitch_error(extract_f0(wav), extract_f0(made)).cents < 20
    assert np.array_equal(griffin_lim(mel, 3), griffin_lim(mel, 3))


def test_espeak_speaks_in_its_own_process():
    pytest.importorskip("espeakng_loader")
    from recipes.evaluate.baselines import espeak_speech

    wav = espeak_speech("Guten Tag.", "de")
    assert 0.3 < len(wav) / RATE < 3 and 0.05 < np.abs(wav).max() <= 1
    with pytest.raises(UnavailableError, match="no voice 'xx-none'"):
        espeak_speech("Hello.", "xx-none")


def test_choice_of_clips_takes_speakers_in_turn_and_never_moves(tmp_path):
    write_corpus(
        tmp_path,
        [(f"k{i}", "one", "test", "anna" if i < 6 else "bert", "de", 99 if i == 7 else 2) for i in range(9)]
        + [("t0", "one", "train", "anna", "de", 2), ("z0", "two", "test", "carl", "fr", 2)],
    )
    clips = read_clips(tmp_path, "test")
    chosen = select(clips, 4)
    assert [clip.speaker for clip in chosen[:4]] in (["anna", "bert"] * 2, ["bert", "anna"] * 2) and chosen[4].id == "z0"
    assert all(clip.id != "k7" for clip in select(clips, 99)) and "t0" not in {clip.id for clip in select(clips, 99)}
    clips["one"].reverse()
    assert select(clips, 4) == chosen and select(clips, 2, ["one"]) == chosen[:2]
    assert in_turns([[1, 4], [2], [3, 5, 6]]) == [1, 2, 3, 4, 5, 6]
    with pytest.raises(DataError, match="no clips of nix"):
        select(clips, 2, ["nix"])


def test_copy_synthesis_table_ranks_a_perfect_system_first(tmp_path):
    pytest.importorskip("pesq")
    pytest.importorskip("pystoi")
    write_corpus(tmp_path, [("k0", "one", "test", "anna", "en-us", 1.2)])
    noise = np.random.default_rng(0).standard_normal(2 * RATE).astype(np.float32)
    rows, records = experiments.copy_synthesis(
        select(read_clips(tmp_path, "test"), 1),
        {"noisy": lambda wav: wav + 0.05 * noise[: len(wav)], "perfect": lambda wav: np.pad(wav, (0, 77))},
    )
    noisy, perfect = rows
    assert perfect["PESQ wb"].value > 4.6 > noisy["PESQ wb"].value and perfect["mel dB"].value == 0 < noisy["mel dB"].value
    assert len(records) == 2 and records[0]["clip"] == "k0"


def test_intelligibility_table_divides_synthetic_by_natural(tmp_path):
    pytest.importorskip("jiwer")
    write_corpus(tmp_path, [("k0", "one", "test", "anna", "en-us", 1.2), ("k1", "one", "test", "anna", "de", 1.2)])
    clips = select(read_clips(tmp_path, "test"), 2)
    spoken = np.zeros(RATE, np.float32)
    rows, records = experiments.intelligibility(
        clips,
        lambda clip: spoken,
        lambda clip: [1, 20, 21, 22, 23],
        lambda wav: [20, 21] if wav is spoken else [20, 21, 22],
        lambda wav: ["hello", "there", "zero"] if wav.any() else ["hello"],
    )
    by = {(row["language"], row["measure"]): row for row in rows}
    assert by["de", "phone error"]["natural"].value == 0.25 and by["de", "phone error"]["synthetic / natural"] == 2
    words = by["en-us", "word error"]
    assert (
        words["natural"].value == 0 and words["synthetic"].value == pytest.approx(2 / 3) and words["synthetic / natural"] is None
    )
    assert ("de", "word error") not in by and len(records) == 4


class FakeSynthesizer:
    def voices(self):
        return [
            SimpleNamespace(name=n, language=lang, gender=g)
            for n, lang, g in (("anna", "de", "f"), ("carl", "en-us", "m"), ("dora", "en-us", "f"))
        ]

    def synth(self, text, voice, language, seed):
        return SimpleNamespace(samples=np.full(RATE, 0.5, np.float32), sample_rate=RATE)


def test_paragraph_table_keeps_the_voices_of_a_language_apart():
    voices = [SimpleNamespace(name=name, language=language) for name, language in [("a", "en-us"), ("b", "de"), ("c", "de")]]
    heard = {"a": [10, 11], "b": [10, 12], "c": [10, 11]}
    said = []
    rows, records = experiments.paragraphs(
        {"en-us": "x y", "de": "z"}, voices, lambda *request: said.append(request) or request[2], lambda *_: [10, 11],
        lambda wav: heard[wav], None)  # fmt: skip
    assert [(row["language"], row["own voices"], row["other voices"]) for row in rows] == [("en-us", 1, 2), ("de", 2, 1)]
    assert [(row["phone error"].value, row["phone error of these"].value) for row in rows] == [(0, 0.25), (0.25, 0)]
    assert said[0] == ("x y", "en-us", "a") and len(records) == 6


def test_house_speaks_with_the_clips_own_voice_or_one_of_its_language_and_gender():
    house = House(FakeSynthesizer())

    def clip(speaker, language, gender=None):
        return Utterance("x", Path("x"), "Hello.", speaker, language, gender=gender)

    assert house.voice_of(clip("anna", "de")) == "anna" and house.has_own_voice(clip("anna", "de"))
    assert house.voice_of(clip("ls1", "en-us", "f")) == "dora" and house.voice_of(clip("ls1", "en", "m")) == "carl"
    assert not house.has_own_voice(clip("ls1", "en"))
    with pytest.raises(UnavailableError, match="no voice speaks fr"):
        house.voice_of(clip("remi", "fr"))
    spoken = house.speak(clip("anna", "de"))
    assert len(spoken.wav) == RATE and spoken.voice == "anna" and spoken.rtf >= 0


def test_tables_update_their_own_block_only(tmp_path):
    results = tmp_path / "RESULTS.md"
    results.write_text("# Title\n\nwords\n\n<!-- evaluate other -->\nkeep\n<!-- end evaluate other -->\n")
    made = {"date": "2000-01-01"}
    for value in (1.0, 2.0):
        table = Table(
            "speed",
            "Speed",
            "python -m x",
            [{"a": mean_figure([value]), "b": None}, {"a": "p|q", "c": 0.12345}],
            ["Note."],
            [],
            made,
        )
        table.publish(results)
    text = results.read_text()
    assert text.count("<!-- evaluate speed -->") == 1 and "keep" in text and text.startswith("# Title\n\nwords")
    assert "| 2.00 | – | – |" in text and "1.00" not in text and "| p\\|q | – | 0.123 |" in text
    stored = strict_json.load(table.save(tmp_path / "out"))
    assert stored["rows"][0]["a"]["value"] == 2.0 and stored["command"] == "python -m x"
    results.write_text("<!-- evaluate speed -->\n")
    with pytest.raises(DataError, match="not marked once"):
        table.publish(results)


def test_command_line_repeats_the_run_with_relative_paths(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    context = click.Context(command.vocoder, info_name="vocoder")
    command.vocoder.parse_args(
        context, ["--speech", str(tmp_path / "s"), "--corpus", "one", "--vocoder", f"v={tmp_path}/m", "--out", "o"]
    )
    assert command_line(context) == "python -m recipes evaluate vocoder --speech s --corpus one --vocoder v=m"
    context = click.Context(command.codec, info_name="codec")
    command.codec.parse_args(context, ["--without-codec", "--opus", "6"])
    assert command_line(context) == "python -m recipes evaluate codec --without-codec --opus 6.0"


def test_vocoder_command_writes_its_table(tmp_path, monkeypatch):
    pytest.importorskip("pesq")
    pytest.importorskip("pystoi")
    from vocoder.api import Vocoder
    from vocoder.vocos import VocosPackage

    class Buzz:
        def mel(self, wav):
            return log_mel(wav)

        def decode(self, mel, f0=None):
            assert mel.shape[1] == 100 and (f0 is None or len(f0) == len(mel))
            return 0.01 * np.sin(np.arange(320 * len(mel), dtype=np.float32))

    write_corpus(
        tmp_path,
        [
            ("k0", "one", "test", "anna", "de", 1.2),
            ("k1", "one", "test", "bert", "de", 1.2),
            ("k2", "one", "train", "bert", "de", 1.2),
        ],
    )
    monkeypatch.setattr(Vocoder, "load", lambda folder=None: Buzz())
    monkeypatch.setattr(VocosPackage, "load", lambda folder: Buzz())
    results = tmp_path / "RESULTS.md"
    done = CliRunner().invoke(
        command.evaluate,
        ["vocoder", "--speech", str(tmp_path), "--vocoder", "other=x", "--vocos", "y", "--out", str(tmp_path / "out"),
         "--results", str(results)],
    )
    assert done.exit_code == 0, done.output
    table = strict_json.load(tmp_path / "out" / "vocoder.json")
    pesq = {row["system"]: row["PESQ wb"]["value"] for row in table["rows"]}
    assert list(pesq) == ["house", "other", "Vocos", "WORLD", "Griffin-Lim"]
    assert pesq["Griffin-Lim"] > pesq["house"] == pesq["other"] == pesq["Vocos"]
    assert {clip["clip"] for clip in table["clips"]} == {"k0"}  # bert was heard in training
    assert "| Griffin-Lim | 1 |" in results.read_text()


def test_help_loads_nothing_heavy():
    assert CliRunner().invoke(command.evaluate, ["naturalness", "--help"]).exit_code == 0
    script = "import recipes.evaluate.command, sys; print({'torch', 'librosa', 'numba'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True).stdout.strip() == "set()"


def test_peak_memory_is_that_of_the_measured_process():
    held = np.ones(32 << 20)  # 256 MiB that a child must not be blamed for
    script = (
        "from recipes.evaluate.speed_probe import peak_mib\n"
        "a = peak_mib(); held = bytearray(b'x' * (100 << 20)); print(a, peak_mib() - a)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    start, grown = map(float, done.stdout.split())
    assert start < held.nbytes / 2**20 and 95 < grown < 220


def test_texts_of_all_lengths_have_the_same_sentences_in_length_and_are_told_apart(monkeypatch):
    from recipes.evaluate import length

    short, long = length.text_of(1), length.text_of(10)
    assert long.startswith(short) and abs(len(long.split()) - 1500) < 30
    sentences = long.split(". ")
    assert max(len(s.split()) for s in sentences) == max(len(s.split()) for s in short.split(". ")) and len({*sentences}) > 90
    asked = []

    def probe(request, timeout):
        asked.append((request["text"], timeout))
        return {"audio_seconds": 66.0, "rtf": 0.0512, "first_audio_seconds": 0.1, "first_audio_mib": 400.4, "peak_mib": 411.0}

    monkeypatch.setattr(length, "probe", probe)
    rows, records = length.measure_length(None, [1, 10])
    assert asked == [(short, 660), (long, 1200)] and [record["minutes"] for record in records] == [1, 10]
    assert rows[1] == {"text, min": 10, "audio min": 1.1, "RTF": 0.051, "first audio ms": 100, "MiB at first audio": 400,
                       "peak MiB": 411}  # fmt: skip


def test_engines_are_compared_with_the_samples_of_fp32(monkeypatch):
    from recipes.evaluate import engines

    noise = {"fp32": 0.0, "int8": 1e-2}

    class Speaker:
        def __init__(self, model):
            self.engine = None

        def warm(self):
            self.engine = os.environ["PARLANCE_ENGINE"]

        def fresh_vocoder(self):
            return None

        def graphs_of(self, vocoder):
            return None

        def synth(self, text, **request):
            rng, wav = np.random.default_rng(0), vowel(120 + len(text))
            return SimpleNamespace(samples=wav + noise[self.engine] * rng.standard_normal(len(wav)).astype(np.float32))

    monkeypatch.setattr("tts.api.Synthesizer", Speaker)
    monkeypatch.setattr(engines, "offered", lambda folder: tuple(noise))
    monkeypatch.setattr(engines, "pesq_wide", lambda one, other: 4.0)
    monkeypatch.delenv("PARLANCE_ENGINE", raising=False)
    rows, records = engines.measure_engines(None, {"en": "one", "de": "zwei"}, 2)
    exact, rough = rows
    assert exact["engine"] == "fp32" and exact["SNR dB"].value is None and "PARLANCE_ENGINE" not in os.environ
    level = 10 * np.log10(np.square(vowel(123)).mean() / 1e-4)
    assert abs(rough["SNR dB"].value - level) < 1 and rough["mel dB"].value > 0.1 and len(records) == 4


def test_samples_reads_at_the_judges_rate(tmp_path):
    write_corpus(tmp_path, [("k0", "one", "test", "anna", "en-us", 1.2)])
    clip = select(read_clips(tmp_path, "test"), 1)[0]
    assert abs(len(samples(clip, 16_000)) - 16_000 * 1.2) <= 2


def test_silence_at_the_ends_is_trimmed_and_a_margin_kept():
    from recipes.evaluate.clips import trim_silence

    wav = np.pad(0.1 * np.sin(np.arange(RATE) / 10).astype(np.float32), RATE // 2)
    assert 1.15 < len(trim_silence(wav)) / RATE < 1.25
    assert len(trim_silence(wav[:100])) == 100 and len(trim_silence(np.zeros(2 * RATE, np.float32))) == 2 * RATE


def test_systems_are_judged_beside_the_recordings_of_each_group(monkeypatch):
    clips = [Utterance(f"u{i}", Path(f"u{i}"), "a b", "s", "de", seconds=1.2) for i in range(3)]
    monkeypatch.setattr(experiments, "samples", lambda clip, rate=RATE: vowel(150 + 20 * int(clip.id[1])))
    monkeypatch.setattr(experiments, "dnsmos", lambda wav: SimpleNamespace(overall=float(np.std(wav))))

    class Judge:
        def embed(self, wav):
            return np.array([1.0, 0.0]) if np.abs(wav).max() < 0.5 else np.array([0.0, 1.0])

    models = {"copy": lambda clip: (experiments.samples(clip), 0.5), "loud": lambda clip: (5 * experiments.samples(clip), 0.1)}
    rows, records = experiments.systems(
        clips, models, lambda clip: [7, 8, 9], lambda wav: [7, 8] if np.abs(wav).max() < 0.5 else [], None, Judge(),
        lambda clip: "house" if clip.id == "u0" else "cloned")  # fmt: skip
    assert [(row["voices"], row["system"], row["clips"]) for row in rows] == [
        (group, system, n) for group, n in (("cloned", 2), ("house", 1)) for system in ("natural", "copy", "loud")]  # fmt: skip
    natural, copy, loud = rows[:3]
    assert copy["phone error"].value == natural["phone error"].value < loud["phone error"].value
    assert (copy["similarity"].value, loud["similarity"].value, natural["similarity"]) == (1.0, 0.0, None)
    assert (copy["RTF"].value, natural["RTF"]) == (0.5, None) and len(records) == 9
    strict_json.dumps(records)
