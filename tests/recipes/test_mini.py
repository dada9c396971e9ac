"""The corpus made in seconds is what it says, and every stage of the recipes of egs/mini runs on it and learns."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from recipes import corpora
from recipes.mini import SPEAKERS, make
from recipes.store import Store
from recipes.validation import validate
from vocoder.audio.io import read_audio, read_info

ROOT = Path(__file__).parents[2]
RECIPE = ROOT / "egs" / "mini" / "tts1"
CODEC = ROOT / "egs" / "mini" / "codec1"
INFILL = ROOT / "egs" / "mini" / "infill"
MASKED = ROOT / "egs" / "mini" / "masked1"
ZMM = ROOT / "egs" / "mini" / "zmm"


def call(recipe: Path, *options: str) -> subprocess.CompletedProcess:
    environment = {**os.environ, "PYTHON": sys.executable, "OMP_NUM_THREADS": "1"}  # as path.sh sets it
    return subprocess.run([str(recipe / "run.sh"), *options], capture_output=True, text=True, env=environment, check=False)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return make(tmp_path_factory.mktemp("mini"), per_voice=3)


def test_the_corpus_is_sound_and_its_true_durations_fill_it(small, tmp_path):
    corpus = corpora.read("speech", small)
    assert corpora.write(corpus, tmp_path) == {"dev": 4, "test": 4, "train": 4}
    assert [str(f) for f in validate(*(tmp_path / s for s in ("train", "dev", "test")), audio=True) if f.level == "error"] == []
    truth = json.loads((small / "durations.json").read_text())
    for path in (small / "wavs").glob("*.flac"):
        assert sum(truth[path.stem]) == pytest.approx(read_info(path).seconds, abs=0.01)


def test_equal_seeds_make_equal_corpora(small, tmp_path):
    again, other = make(tmp_path / "again", per_voice=3), make(tmp_path / "other", per_voice=3, seed=1)
    names = sorted(path.name for path in (small / "wavs").iterdir())
    assert (again / "metadata.tsv").read_bytes() == (small / "metadata.tsv").read_bytes()
    assert (other / "metadata.tsv").read_bytes() != (small / "metadata.tsv").read_bytes()
    for name in names:
        assert np.abs(read_audio(again / "wavs" / name) - read_audio(small / "wavs" / name)).max() < 1e-3


def test_voices_have_their_own_pitch(small):
    from vocoder.audio.f0 import extract_f0

    for speaker in SPEAKERS:
        f0 = np.concatenate([extract_f0(read_audio(path)) for path in sorted((small / "wavs").glob(f"{speaker.name}*"))])
        assert np.median(f0[f0 > 0]) == pytest.approx(speaker.f0, rel=0.1)


@pytest.mark.slow
def test_every_stage_of_the_recipe_runs_and_learns(tmp_path):
    folders = [f"--{name}={tmp_path / name}" for name in ("data", "dump", "exp")]
    done = call(RECIPE, *folders, "--data-options", f"--downloads {tmp_path}/downloads")
    assert done.returncode == 0, done.stderr[-3000:]
    assert re.findall(r"stage (\d): ", done.stderr) == list("12345678")

    errors, truth = [], json.loads((tmp_path / "downloads" / "durations.json").read_text())
    durations, frames = Store(tmp_path / "dump" / "train", "durations"), Store(tmp_path / "dump" / "train", "f0")
    for key in durations.items:
        assert durations[key].sum() == frames.rows(key)
        errors.append(np.abs(np.cumsum(durations[key]) / 75 - np.cumsum(truth[key]))[:-1])
    errors = np.concatenate(errors)
    assert len(durations) == 88
    assert np.median(errors) < 0.04  # s; 0.02 measured with three seeds

    for path in ("models/aligner", "models/vocoder", "models/fs2", "models/fs2/vocoder"):
        assert (tmp_path / "exp" / path / "model.safetensors").exists(), path
    voices = sorted(path.stem for path in (tmp_path / "exp" / "models" / "fs2" / "voices").iterdir())
    assert voices == sorted(speaker.name for speaker in SPEAKERS)

    spoken = [json.loads(line) for line in (tmp_path / "exp" / "synth" / "fs2" / "spoken.jsonl").read_text().splitlines()]
    assert len(spoken) == 4 and {row["voice"] for row in spoken} == set(voices)
    scores = json.loads((tmp_path / "exp" / "scores" / "score-fs2.json").read_text())
    for clip in scores["clips"]:
        assert 0.6 < clip["length"] < 1.6
    natural = np.mean([clip["natural"] for clip in scores["clips"]])
    assert natural < 0.4  # phone errors on unheard recordings; 0.04 to 0.15 measured, untrained 1.0
    synthetic = np.mean([clip["synthetic"] for clip in scores["clips"]])
    assert synthetic < 0.75  # 0.48 measured after 80 steps; untrained about 1.0
    assert "Held-out sentences, fs2" in (tmp_path / "exp" / "RESULTS.md").read_text()
    infill_goes_on(tmp_path, folders[:2])


def infill_goes_on(folder: Path, data: list[str]) -> None:
    """The infill recipe on the features and the fs2 that are there."""
    models = folder / "exp" / "models"
    done = call(INFILL, *data, "--exp", str(folder / "infill"), "--start", str(models / "fs2"), "--aligner",
                str(models / "aligner"), "--vocoder", str(models / "vocoder"), "--utterances", "2")  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert re.findall(r"stage (\d): ", done.stderr) == list("12378")
    metrics = {name: [json.loads(line) for line in (folder / "infill" / name / "metrics.jsonl").read_text().splitlines()]
               for name in ("infill-free", "infill", "bespoke-2")}  # fmt: skip
    assert metrics["infill-free"][-1]["dev/flow"] > 1.5 * metrics["infill"][-1]["dev/flow"]  # the text tells much: 2.1 measured
    assert metrics["bespoke-2"][-1]["dev/bespoke"] < 0.8 * metrics["bespoke-2"][-1]["dev/plain"]  # 0.54 measured
    assert (folder / "infill" / "models" / "infill" / "bespoke-2-2.json").exists()
    assert len((folder / "infill" / "synth" / "infill" / "spoken.jsonl").read_text().splitlines()) == 2


@pytest.mark.slow
def test_every_stage_of_the_codec_recipe_runs_and_learns(tmp_path):
    folders = [f"--{name}={tmp_path / name}" for name in ("data", "dump", "exp")]
    done = call(CODEC, *folders, "--data-options", f"--downloads {tmp_path}/downloads --per-voice 4", "--nj", "1",
                "--autoencoder-steps", "30", "--codes-steps", "20", "--utterances", "2")  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert re.findall(r"stage (\d): ", done.stderr) == list("12345678")
    features = {path.stem for path in (tmp_path / "dump" / "train").glob("*.json")}
    assert features == {"wav", "mel", "f0"} and (tmp_path / "dump" / "train" / "utterances.jsonl").exists()

    metrics = {name: [json.loads(line) for line in (tmp_path / "exp" / name / "metrics.jsonl").read_text().splitlines()]
               for name in ("codec-autoencoder", "codec")}  # fmt: skip
    before, after = (metrics["codec-autoencoder"][i]["voicing"] for i in (0, 2))
    assert after < 0.8 * before  # 0.62 measured; the mel is there from the start
    assert metrics["codec"][-1]["dev/mel_l1"] < 1.0  # 0.61 measured
    assert {"book/7/perplexity", "d", "features"} <= metrics["codec"][1].keys() and "d" not in metrics["codec"][0]

    from codec import Codec

    codec = Codec.load(tmp_path / "exp" / "models" / "codec")
    assert codec.n_books == 8 and codec.config["began_from"]["steps"] == 30
    copies = [json.loads(line) for line in (tmp_path / "exp" / "synth" / "codec" / "spoken.jsonl").read_text().splitlines()]
    assert len(copies) == 2 and all(row["kbps"] == 3.6 for row in copies)  # 8 books of 6 bits, 75 times a second
    scores = json.loads((tmp_path / "exp" / "scores" / "score-codec.json").read_text())
    assert all(clip["length"] == pytest.approx(1, abs=0.01) for clip in scores["clips"])
    assert "Held-out sentences, codec" in (tmp_path / "exp" / "RESULTS.md").read_text()


@pytest.mark.slow
def test_every_stage_of_masked_decoding_runs_and_learns(tmp_path):
    """On an fs2, a codec and units that have hardly begun; only the aligner has to be good."""
    data, dump = (f"--{name}={tmp_path / name}" for name in ("data", "dump"))
    exps = {name: tmp_path / name for name in ("tts1", "codec1", "units1", "masked1")}
    before = {
        "tts1": ("--vocoder-steps", "3", "--acoustic-steps", "3", "--stop-stage", "6", "--data-options",
                 f"--downloads {tmp_path}/downloads --per-voice 12"),
        "codec1": ("--stage", "4", "--stop-stage", "6", "--autoencoder-steps", "3", "--codes-steps", "3"),
        "units1": ("--stop-stage", "3", "--first-steps", "3", "--second-steps", "3"),
    }  # fmt: skip
    for name, options in before.items():
        done = call(ROOT / "egs" / "mini" / name, data, dump, f"--exp={exps[name]}", *options, "--nj", "1")
        assert done.returncode == 0, done.stderr[-3000:]
    parts = {"acoustic": "tts1/models/fs2", "codec": "codec1/models/codec", "units": "units1/models/units",
             "aligner": "tts1/models/aligner"}  # fmt: skip
    given = [f"--{name}={tmp_path / place}" for name, place in parts.items()]
    done = call(MASKED, data, dump, f"--exp={exps['masked1']}", *given, "--nj", "1", "--utterances", "2")
    assert done.returncode == 0, done.stderr[-3000:]
    assert re.findall(r"stage (\d): ", done.stderr) == list("1234567")

    def curve(name):
        return [json.loads(line) for line in (exps["masked1"] / name / "metrics.jsonl").read_text().splitlines()]

    for name, losses in (("masked", ("units", "tokens")), ("patches", ("codes",))):
        rows = [row for row in curve(name) if losses[0] in row]
        assert all(rows[-1][loss] < 0.95 * rows[0][loss] for loss in losses), name
    spoken = (exps["masked1"] / "synth" / "masked" / "spoken.jsonl").read_text().splitlines()
    assert len(spoken) == 2 and "Held-out sentences, masked" in (exps["masked1"] / "RESULTS.md").read_text()


@pytest.mark.parametrize("name", ["house", "mini"])
def test_masked_recipes_call_the_same_stages(name):
    recipe = ROOT / "egs" / name / "masked1"
    done = call(recipe, "--dry-run", "--ngpu", "1", "--codec", "c", "--masked-minutes", "7")
    stages = re.findall(r"-m recipes (\S+)", done.stderr)
    assert done.returncode == 0
    assert stages == ["units", "codes", "train-masked", "export", "train-patches", "export", "train-patches", "export",
                      "synthesise", "score"]  # fmt: skip
    assert done.stderr.count("--codec c") == 2 and "cp -rL c exp/models/masked/codec" in done.stderr
    assert "--minutes 7 " in done.stderr and "--device cuda" in done.stderr and (recipe / "README.md").exists()
    assert ("cp -rL ../tts1/exp/models/fs2 exp/models/masked/text" in done.stderr) is (name == "mini")


@pytest.mark.parametrize("name", ["house", "mini"])
def test_infill_recipes_call_the_same_stages(name):
    recipe = ROOT / "egs" / name / "infill"
    done = call(recipe, "--dry-run", "--solvers", "4 8", "--start", "START", "--free-minutes", "7")
    stages = re.findall(r"-m recipes (\S+)", done.stderr)
    assert done.returncode == 0, done.stderr
    assert stages == ["train-acoustic", "export"] * 2 + ["train-bespoke"] * 2 + ["synthesise", "score"]
    assert all(done.stderr.count(option) == 1 for option in ("task.text_free=true", "--warm-start START", "--minutes 7 "))
    assert call(recipe, "--list-stages").stdout.splitlines() == [
        "1 infill without text", "2 infill with text", "3 bespoke solvers", "7 synthesise", "8 evaluate"]  # fmt: skip
    assert (recipe / "README.md").exists()


@pytest.mark.slow
def test_every_stage_of_the_zmm_recipe_runs(tmp_path):
    """On the shipped aligner and a unit encoder of some steps."""
    folders = [f"--{name}={tmp_path / name}" for name in ("data", "dump", "exp")]
    aligner = f"--aligner={ROOT / 'tts' / 'assets' / 'aligner'}"
    done = call(RECIPE, *folders, aligner, "--stop-stage", "4", "--nj", "1",
                "--data-options", f"--downloads {tmp_path}/downloads --per-voice 4")  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    done = call(ROOT / "egs" / "mini" / "units1", *folders[1:], "--stop-stage", "3", "--first-steps", "4", "--second-steps", "4")
    assert done.returncode == 0, done.stderr[-3000:]
    done = call(ZMM, *folders, aligner, f"--extractor=house:{tmp_path}/exp/models/units", "--vocoder=", "--speaks=",
                "--txt2vec-steps", "12", "--vec2mel-steps", "4", "--vec2wav-steps", "4", "--voices-from-minutes", "0.01",
                "--utterances", "2")  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert re.findall(r"stage (\d): ", done.stderr) == list("1234567")
    models = tmp_path / "exp" / "models"
    assert (models / "zmm2" / "vocoder" / "config.json").exists() and not (models / "zmm1" / "vocoder").exists()
    for kind in ("zmm1", "zmm2"):
        assert sorted(path.stem for path in (models / kind / "voices").iterdir()) == sorted(each.name for each in SPEAKERS)
        spoken = (tmp_path / "exp" / "synth" / kind / "spoken.jsonl").read_text().splitlines()
        assert len(spoken) == 2
        assert f"Held-out sentences, {kind}" in (tmp_path / "exp" / "RESULTS.md").read_text()


@pytest.mark.parametrize("name", ["house", "mini", "mm6"])
def test_zmm_recipes_call_the_same_stages(name):
    recipe = ROOT / "egs" / name / "zmm"
    done = call(recipe, "--dry-run", "--ngpu", "1", "--front", "characters", "--systems", "zmm1")
    stages = re.findall(r"-m recipes (\S+)", done.stderr)
    assert done.returncode == 0 and stages == ["units", "spell", "train-txt2vec", "train-vec2mel", "export", "export",
                                               "synthesise", "score"]  # fmt: skip
    assert "--set model.front=characters" in done.stderr and done.stderr.count("--device cuda") == 2
    done = call(recipe, "--dry-run", "--stage", "2", "--stop-stage", "5")
    assert re.findall(r"-m recipes (\S+)", done.stderr) == ["train-txt2vec", "train-vec2mel", "train-vec2wav", *["export"] * 3]
    assert done.stderr.count("--txt2vec exp/models/txt2vec") == 2
    assert call(recipe, "--list-stages").stdout.splitlines() == [
        "1 units", "2 txt2vec", "3 vec2mel", "4 vec2wav", "5 export", "6 synthesise", "7 evaluate"]  # fmt: skip
    assert (recipe / "README.md").exists()


@pytest.mark.parametrize("name", ["house", "mini", "libritts"])
def test_codec_recipes_call_the_same_stages(name):
    recipe = ROOT / "egs" / name / "codec1"
    done = call(recipe, "--dry-run", "--ngpu", "1", "--nj", "3", "--minutes", "7", "--conf", "conf/rvq.yaml", "--books=4")
    stages = re.findall(r"-m recipes (\S+)", done.stderr)
    assert done.returncode == 0 and "local/data.sh --data data" in done.stderr
    assert stages == ["validate", "features", "train-codec", "export", "train-codec", "export", "resynthesise", "score"]
    assert all(done.stderr.count(option) == 2 for option in ("--device cuda", "--minutes 7 ", "--config conf/rvq.yaml"))
    assert "--nj 3" in done.stderr and "--no-phones" in done.stderr and "--model exp/models/rvq " in done.stderr
    assert ("--vocoder ../../../vocoder/assets/house" in done.stderr) is (name == "house")
    assert call(recipe, "--list-stages").stdout.splitlines() == [
        "1 data", "2 validate", "3 features", "4 autoencoder", "5 codes", "6 export", "7 decode", "8 evaluate"]  # fmt: skip
    assert (recipe / "README.md").exists()


def test_an_autoencoder_that_is_there_is_not_trained_again():
    done = call(ROOT / "egs" / "house" / "codec1", "--dry-run", "--stage", "4", "--stop-stage", "5", "--autoencoder", "ae",
                "--conf", "conf/fsq.yaml")  # fmt: skip
    assert re.findall(r"-m recipes (\S+)", done.stderr) == ["train-codec"] and "--warm-start ae" in done.stderr


def test_the_script_takes_both_spellings_and_refuses_what_it_does_not_know():
    done = call(RECIPE, "--dry-run", "--stage", "7", "--stop_stage=8", "--utterances", "9")
    assert done.returncode == 0
    assert re.findall(r"-m recipes (\S+)", done.stderr) == ["synthesise", "score"] and "--utterances 9" in done.stderr
    assert call(RECIPE, "--list-stages").stdout.splitlines() == [
        "1 data", "2 validate", "3 features", "4 align", "5 train", "6 export", "7 synthesise", "8 evaluate"]  # fmt: skip
    for option, message in [("--foo=1", "no option --foo"), ("--stage=x", "'x' is not a whole number"), ("word", "unexpected"),
                            ("--dry-run=maybe", "true or false"), ("--nj", "needs a value"), ("--config=/none", "cannot read"),
                            ("--PATH=/x", "no option --PATH")]:  # fmt: skip
        done = call(RECIPE, option)
        assert done.returncode == 2 and message in done.stderr, option


@pytest.mark.parametrize("name", ["house", "ljspeech", "mm6", "vctk"])
def test_other_recipes_call_the_same_stages(name, tmp_path):
    (tmp_path / "options").write_text("dry_run=true\nnj=3\n")
    done = call(ROOT / "egs" / name / "tts1", "--config", str(tmp_path / "options"), "--ngpu", "1")
    stages = re.findall(r"-m recipes (\S+)", done.stderr)
    assert done.returncode == 0 and "local/data.sh --data data" in done.stderr
    assert stages == ["validate", "features", "train-aligner", "export", "align", "train-vocoder", "train-acoustic", "export",
                      "export", "synthesise", "score"]  # fmt: skip
    assert "--device cuda" in done.stderr and "--nj 3" in done.stderr


ABLATIONS = {
    "rvq": ("quantizer", "rvq"), "fsq": ("quantizer", "fsq"), "factorized": ("quantizer", "factorized"),
    "causal": ("causal", True), "semantic": ("semantic", "aligner"), "distil": ("semantic_input", False),
}  # fmt: skip


@pytest.mark.parametrize("name", ["house", "mini", "libritts"])
def test_an_ablation_changes_what_it_is_named_after_and_no_size(name):
    from recipes import config

    folder = ROOT / "egs" / name / "codec1" / "conf"
    plain = config.read(folder / "codec.yaml", [], ("model", "task", "train"))
    for ablation, (key, value) in ABLATIONS.items():
        given = config.read(folder / f"{ablation}.yaml", [], ("model", "task", "train"))
        assert given["model"][key] == value and (given["task"], given["train"]) == (plain["task"], plain["train"])
        for size in ("dim", "latent_dim", "encoder"):
            assert given["model"].get(size) == plain["model"].get(size)
        assert given["model"].get("vocoder", {}).get("dim") == plain["model"].get("vocoder", {}).get("dim")


CONFIGURATIONS = sorted(path for path in ROOT.glob("egs/*/*/conf/*.yaml") if "TEMPLATE" not in path.parts)


@pytest.mark.parametrize("path", CONFIGURATIONS, ids=lambda path: "/".join((*path.parts[-4:-2], path.stem)))
def test_every_configuration_of_egs_is_read_by_its_dataclasses(path):
    from codec.model import CodecConfig
    from recipes import config
    from recipes.train import (
        acoustic,
        aligner,
        bespoke,
        codec,
        masked,
        patches,
        prosody,
        speaker,
        txt2vec,
        vec2mel,
        vec2wav,
        vocoder,
        watermark,
    )
    from recipes.train.loop import TrainConfig
    from tts.aligner import AlignerConfig
    from tts.models.infill import InfillConfig
    from tts.models.masked import MaskedConfig
    from tts.models.patches import PatchConfig
    from tts.models.prosody import ProsodyModelConfig
    from tts.models.speaker import EcapaConfig
    from tts.models.text import TextConfig
    from tts.models.txt2vec import Txt2vecConfig
    from tts.models.vec2mel import Vec2melConfig
    from tts.models.vec2wav import Vec2wavConfig
    from tts.models.watermark import MarkConfig
    from vocoder.fourier import VocoderConfig
    from vocoder.nn.config import from_dict

    codec1 = {"model": (CodecConfig, {}), "task": (codec.CodecTask, {})}
    sections = (
        dict.fromkeys(("codec", *ABLATIONS), codec1)
        if path.parts[-3] == "codec1"
        else {
            "aligner": {"model": (AlignerConfig, {"n_symbols": 9}), "task": (aligner.AlignerTask, {})},
            "vocoder": {"model": (VocoderConfig, {}), "task": (vocoder.VocoderTask, {})},
            **{
                kind: {"text": (TextConfig, {"n_symbols": 9, "languages": [1]}), "task": (acoustic.AcousticTask, {})}
                for kind in ("fs2", "flow", "megatts")
            },
            "infill": {
                "text": (TextConfig, {"n_symbols": 9, "languages": [1]}),
                "model": (InfillConfig, {"variance": {"text": {"n_symbols": 9, "languages": [1]}}}),
                "task": (acoustic.AcousticTask, {}),
            },
            "bespoke": {"task": (bespoke.BespokeTask, {})},
            "watermark": {"model": (MarkConfig, {}), "task": (watermark.MarkTask, {})},
            "txt2vec": {"text": (TextConfig, {"n_symbols": 9, "languages": [1]}), "task": (txt2vec.Txt2vecTask, {}),
                        "model": (Txt2vecConfig, {"text": {"n_symbols": 9, "languages": [1]}})},
            "vec2mel": {"model": (Vec2melConfig, {}), "task": (vec2mel.Vec2melTask, {})},
            "vec2wav": {"model": (Vec2wavConfig, {}), "generator": (VocoderConfig, {}), "task": (vec2wav.Vec2wavTask, {})},
            "speaker": {"model": (EcapaConfig, {}), "task": (speaker.SpeakerTask, {})},
            "prosody": {"model": (ProsodyModelConfig, {}), "task": (prosody.ProsodyTask, {})},
            "patches": {"model": (PatchConfig, {}), "task": (patches.PatchTask, {})},
            "masked": {
                "units": (MaskedConfig, {"codebook_size": 9}),
                "tokens": (MaskedConfig, {"codebook_size": 9}),
                "task": (masked.MaskedTask, {}),
            },
        }
    )
    sections = sections[path.stem.split("-")[0]] | {"train": (TrainConfig, {})}
    given = config.read(path, [], sections)
    for name, (cls, needed) in sections.items():
        from_dict(cls, {**needed, **given[name]}, f"{path}: {name}")


def test_configurations_have_a_base_overrides_and_no_unknown_names(tmp_path):
    from recipes import config
    from tts.base.errors import DataError, UsageError

    base = "task: {budget: 6000, longest: 900}\ntrain: {learning_rate: 1.0e-3}\nmodel: {inner: {a: 1, b: 2}}\n"
    (tmp_path / "base.yaml").write_text(base)
    (tmp_path / "own.yaml").write_text("base: base.yaml\ntask: {budget: 10}\nmodel: {inner: {b: 3}}\n")
    given = config.read(tmp_path / "own.yaml", ["train.learning_rate=2e-4", "train.seed=7", "train.betas=[0.8, 0.9]"],
                        ("task", "train", "model"))  # fmt: skip
    assert given == {"task": {"budget": 10, "longest": 900}, "model": {"inner": {"a": 1, "b": 3}},
                     "train": {"learning_rate": 2e-4, "seed": 7, "betas": [0.8, 0.9]}}  # fmt: skip
    with pytest.raises(DataError, match=r"no section 'task'. Did you mean 'tasks'"):
        config.read(tmp_path / "own.yaml", [], ("tasks", "train"))
    with pytest.raises(UsageError, match=r"not section.key=value"):
        config.read(None, ["budget=3"], ("task",))
    (tmp_path / "bad.yaml").write_text("task: {budget: [1\n")
    with pytest.raises(DataError, match=r"bad.yaml:2:1: is not YAML"):
        config.read(tmp_path / "bad.yaml", [], ("task",))


def test_a_packed_corpus_stands_for_the_stages_before_training(tmp_path):
    done = call(ROOT / "egs" / "house" / "tts1", "--dry-run", "--pack", "c.pack", "--data", str(tmp_path / "none"), "--ngpu", "1")
    assert done.returncode == 0
    assert re.findall(r"-m recipes (\S+)", done.stderr) == ["train-vocoder", "train-acoustic", "export", "export"]
    assert done.stderr.count("--pack c.pack") == 2
    done = call(ROOT / "egs" / "house" / "codec1", "--dry-run", "--pack", "c.pack", "--data", str(tmp_path / "none"))
    assert re.findall(r"-m recipes (\S+)", done.stderr) == ["train-codec", "export", "train-codec", "export"]
    assert done.stderr.count("--pack c.pack") == 2
    done = call(ROOT / "egs" / "house" / "tts1", "--dry-run", "--ngpu", "4")
    assert done.returncode == 2 and "one GPU" in done.stderr
