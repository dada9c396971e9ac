"""A further language: coverage, parts and mixes of stores, tables that grow, voices that stay, and who judges."""

import json
from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from frontend import inventory
from frontend.languages import resolve
from recipes import adapt, coverage, mix
from recipes.batch import Corpus, FrameBatches, Utterance
from recipes.datadir import Utterance as Row
from recipes.evaluate import adapt as experiment
from recipes.phones import write_utterances
from recipes.store import StoreWriter
from recipes.train.acoustic import repeats
from tts.base.errors import DataError, ModelError, UnavailableError, UsageError
from tts.models import load_acoustic
from tts.models.fs2 import Fs2, Fs2Config
from tts.models.reference import ReferenceConfig
from tts.models.text import STYLES_A_LANGUAGE, TextConfig
from tts.models.variance import VarianceConfig
from vocoder.nn.checkpoint import save_model

ALIGNER = Path(__file__).parents[2] / "tts" / "assets" / "aligner"
KNOWN = "a i u ə n m t d k s v l"
DE, NL, FR, ML = (resolve(tag) for tag in ("de", "nl", "fr", "ml"))
HOUSE = {
    "minutes": {"de": 10.0, "fr": 10.0},
    "phones": {"de": dict.fromkeys(KNOWN.split(), 40) | {"ʃ": 3, "ɛ": 30}, "fr": dict.fromkeys(KNOWN.split(), 40) | {"ʃ": 4}},
    "styles": {"de": {"0": 90, "1": 40}, "fr": {"0": 90}},
}


def ids_of(symbols: str) -> list[int]:
    return [inventory.symbol_to_id(symbol) for symbol in symbols.split()]


def make_store(folder, language, speakers, seconds=2.0, each=4, seed=0):
    """A store of noise: ``each`` utterances of every speaker in train, one in dev."""
    rng, phones = np.random.default_rng(seed), ids_of(KNOWN)
    for split, count in (("train", each), ("dev", 1)):
        rows = [Utterance(f"{language.tag}-{speaker}-{i}-{split}", speaker, language.tag, corpus=f"c{language.tag}")
                for speaker in speakers for i in range(count)]  # fmt: skip
        target, n, frames = folder / split, 10, round(75 * seconds)
        kinds = {"mel": "float16", "f0": "float32", "ids": "int16", "styles": "int16", "langs": "int16", "durations": "int32"}
        for name in kinds:
            with StoreWriter(target, name, kinds[name], 100 if name == "mel" else 0) as store:
                for row in rows:
                    made = {
                        "mel": rng.normal(-5, 1, (frames, 100)), "f0": np.full(frames, 120.0),
                        "ids": np.array([inventory.SIL, *rng.choice(phones, n - 2), inventory.SIL]),
                        "styles": np.full(n, 16 * language.id), "langs": np.full(n, language.id),
                        "durations": np.diff(np.linspace(0, frames, n + 1).round()),
                    }[name]  # fmt: skip
                    store.add(row.key, made)
        write_utterances(rows, target)
    return folder


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    """(new, old): Malayalam of two speakers; German of three and French of one."""
    folder = tmp_path_factory.mktemp("stores")
    german = make_store(folder / "de", DE, ["d1", "d2", "d3"])
    french = make_store(folder / "fr", FR, ["f1"], seed=1, each=8)
    for split in ("train", "dev"):
        both = [Corpus(each / split) for each in (german, french)]
        mix.write([(corpus, list(corpus.utterances.values())) for corpus in both], folder / "old" / split)
    return make_store(folder / "ml", ML, ["m1", "m2"], seed=2), folder / "old"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """An fs2 of German and French with one voice."""
    from tts.voice import Voice

    folder = tmp_path_factory.mktemp("model") / "fs2"
    text = TextConfig(n_symbols=inventory.size() - 3, languages=(DE.id, FR.id), dim=16, hidden=32)
    reference = ReferenceConfig(dim=16, hidden=32, n_blocks=1, style_dim=16, n_tokens=2)
    torch.manual_seed(0)
    net = Fs2(Fs2Config(VarianceConfig(text, reference, n_speakers=4, decoder_dim=16), hidden=32, n_blocks=2))
    written = save_model(folder, net.state_dict(), {
        "kind": "acoustic", "model": asdict(net.config), "architecture": "fs2", "steps": 7, "corpora": {"cde": 10.0},
        "inventory": inventory.digest(text.n_symbols), **HOUSE}, "x", "float32")  # fmt: skip
    (folder / "voices").mkdir()
    mel = torch.randn(150, 100, generator=torch.Generator().manual_seed(1)) - 5
    style = load_acoustic(folder)[0].variance.voice(mel).style.detach().numpy()
    Voice("anna", mel.numpy(), style, written["model_id"], language="de", gender="f", minutes=10.0).save(
        folder / "voices" / "anna.safetensors")  # fmt: skip
    return folder


def test_a_phone_is_known_that_all_languages_together_held_often_enough():
    known = coverage.heard(HOUSE)
    a, sh, retroflex, w = ids_of("a ʃ ʈ ʋ")
    assert a in known.known and sh not in known.known  # 3 and 4 tokens: 7 of 15
    assert known.nearest(a) == (a, 0.0) and known.nearest(retroflex) == (ids_of("t")[0], 2.0)
    assert known.nearest(w)[0] == ids_of("v")[0]  # far from all by features: what learners say
    assert known.folded([inventory.SIL, retroflex, a]) == [inventory.SIL, ids_of("t")[0], a]
    assert known.likest(NL, Counter(dict.fromkeys(ids_of("ɛ a"), 5))) == "de" and known.likest(resolve("cmn"), Counter()) is None
    house = coverage.heard({"minutes": {"de": 1.0, "cmn": 2.0}})  # a model that did not count: the table of native phones
    assert set(house.phones) == {"de", "cmn"} and None in house.phones["de"].values()
    with pytest.raises(DataError, match="nothing is known of the phones"):
        coverage.heard({"minutes": {"ml": 3.0}})


def test_coverage_tells_phones_script_and_recordings():
    found = coverage.cover(HOUSE, ["വന്ന കാലിൽ നിൽക്കാതെ.", "ഭക്ഷണം കഴിച്ചിട്ടേ പോകാവൂ ꦲꦏ.", "ꦲꦏ꧀ꦱ"], "mal", minutes=2.0, speakers=3)
    assert (found.language, found.trained_minutes, found.sentences, found.unreadable, found.speakers) == ("ml", 0.0, 3, 1, 3)
    assert set(found.characters_lost) == {"ꦲ", "ꦏ", "ꦱ"} and found.letters - found.letters_spoken == 5 and not found.readable
    rows = {row.symbol: row for row in found.phones}
    assert rows["n"].known and rows["n"].trained == 80 and rows["n"].languages == ("de", "fr")
    assert not rows["ʈ"].known and rows["ʈ"].trained == 0 and rows["ʈ"].begins_as == "t"
    assert 0 < found.known_share < 1 and found.styles[0].languages == ("de", "fr")
    assert json.loads(json.dumps(found.to_dict(), ensure_ascii=False))["readable"] is False
    assert "lost: ꦲ" in found.text() and "ʈ" in found.text() and "2.0 minutes, 3 speakers" in found.text()
    with pytest.raises(UnavailableError, match="unknown language 'xyz'"):
        coverage.cover(HOUSE, ["a"], "xyz")
    with pytest.raises(DataError, match="nothing can be spoken as Malayalam"):
        coverage.cover(HOUSE, ["ꦲꦏ"], "ml")


def test_a_data_directory_of_several_languages_asks_which(tmp_path):
    from recipes import datadir

    rows = [Row(id=f"a-{i}", wav=tmp_path / "x.wav", text=text, speaker="a", language=tag, seconds=30.0)
            for i, (text, tag) in enumerate([("Ja.", "de"), ("Oui.", "fr"), ("Nein.", "de-AT")])]  # fmt: skip
    datadir.write(tmp_path / "d", rows)
    with pytest.raises(UsageError, match="holds de, fr"):
        coverage.read_data(tmp_path / "d")
    mine, tag = coverage.read_data(tmp_path / "d", "ger")
    assert tag == "de" and [row.text for row in mine] == ["Ja.", "Nein."] and coverage.minutes_of(mine) == 1.0


def test_less_of_a_store_is_part_of_more_and_links_to_it(stores, tmp_path):
    _, old = stores
    done = [mix.subset(old, tmp_path / str(minutes), minutes=minutes) for minutes in (0.2, 0.4)]
    assert [round(each["train"], 3) for each in done] == [0.2, 0.4]  # 6 and 12 of 20 utterances
    less, more = (Corpus(tmp_path / str(minutes) / "train") for minutes in (0.2, 0.4))
    assert set(less.keys) < set(more.keys) and {row.speaker for row in less.utterances.values()} == {"d1", "d2", "d3", "f1"}
    assert (tmp_path / "0.2" / "train" / "mel.bin").is_symlink()
    assert np.array_equal(less.get("mel", less.keys[0]), Corpus(old / "train").get("mel", less.keys[0]))
    mix.subset(old, tmp_path / "fr", languages=["fr-FR"])
    assert {row.language for row in Corpus(tmp_path / "fr" / "train").utterances.values()} == {"fr"}
    with pytest.raises(DataError, match="no utterance is left"):
        mix.subset(old, tmp_path / "none", without=["de", "fr"])


def test_replay_has_its_share_of_an_epoch_and_languages_share_it_alike(stores, tmp_path):
    new, old = stores
    minutes = mix.mix(new, old, tmp_path, share_of_replay=0.6, hours=0.4 / 60)  # 12 of 40 seconds
    assert minutes["new"] == pytest.approx(16 / 60) and minutes["replay"] == pytest.approx(24 / 60)
    corpus = Corpus(tmp_path / "train")
    frames = {key: corpus.frames(key) for key in corpus.keys}
    batches = FrameBatches(frames, 600, 0, repeats(corpus, frames, 1.0))
    drawn = Counter(corpus.utterances[key].language for epoch in range(60) for keys in batches.epoch(epoch) for key in keys)
    assert drawn["ml"] == 8 * 60
    assert (drawn["de"] + drawn["fr"]) / sum(drawn.values()) == pytest.approx(0.6, abs=0.03)
    assert drawn["de"] == pytest.approx(drawn["fr"], rel=0.1)
    before = (tmp_path / "train" / "mel.bin").stat().st_mtime_ns
    assert mix.mix(new, old, tmp_path, 0.6, 0.4 / 60) == minutes and (tmp_path / "train" / "mel.bin").stat().st_mtime_ns == before
    assert {row.language for row in Corpus(tmp_path / "dev").utterances.values()} == {"ml", "de", "fr"}
    with pytest.raises(DataError, match="are in both stores"):
        mix.mix(old, old, tmp_path / "twice")
    with pytest.raises(UsageError, match="no share"):
        mix.mix(new, old, tmp_path / "all", share_of_replay=1.0)


def test_grown_tables_keep_old_rows_and_new_rows_begin_as_their_nearest(model):
    before, _ = load_acoustic(model)
    grown, like = adapt.grow_acoustic(model, ML, Counter(ids_of("a i ɛ")), n_speakers=9)
    old, new = before.variance.text, grown.variance.text
    a, t, retroflex, schwa = ids_of("a t ʈ ə")
    assert like == "de" and grown.config.variance.text.languages == (DE.id, FR.id, ML.id)
    assert torch.equal(new.symbols.weight[a], old.symbols.weight[a]) and len(new.symbols.weight) == inventory.size()
    assert torch.equal(new.symbols.weight[retroflex], old.symbols.weight[t])
    assert torch.equal(new.languages.weight[:3], old.languages.weight)
    assert torch.equal(new.languages.weight[3], old.languages.weight[1])
    block = slice(STYLES_A_LANGUAGE, 2 * STYLES_A_LANGUAGE)  # German is the first language
    assert torch.equal(new.styles.weight[-STYLES_A_LANGUAGE:], old.styles.weight[block])
    assert grown.variance.speakers.out_features == 9
    ids = torch.tensor([[a, t, schwa]])
    mask, styles = torch.ones_like(ids, dtype=torch.bool), torch.zeros_like(ids)
    with torch.no_grad():  # old languages are as they were; the new one speaks as German with near phones
        for language in (DE, FR):
            langs, own = torch.full_like(ids, language.id), styles + 16 * language.id
            assert torch.equal(old(ids, own, langs, mask), new.eval()(ids, own, langs, mask))
        asked = new(torch.tensor([[a, retroflex, schwa]]), styles + 16 * ML.id, torch.full_like(ids, ML.id), mask)
        assert torch.equal(asked, old(ids, styles + 16 * DE.id, torch.full_like(ids, DE.id), mask))


def test_an_adapted_model_keeps_its_voices_and_adds_minutes(model, stores, tmp_path):
    from recipes.train.loop import TrainConfig
    from tts.voice import Voice

    new, old = stores
    quick = TrainConfig(learning_rate=1e-2, warmup_steps=1, ema_decay=0.5, precision="32-true", validate_steps=100)
    config = adapt.main(model, new, old, tmp_path / "exp", tmp_path / "out", 5, task={"budget": 600}, config=quick, max_steps=3,
                        voices_from_minutes=0.1, learn="all")  # fmt: skip
    assert config["minutes"] == {"de": 10.0, "fr": 10.0, "ml": 0.3} and config["corpora"] == {"cde": 10.0, "cml": 0.3}
    assert config["phones"]["de"] == HOUSE["phones"]["de"] and sum(config["phones"]["ml"].values()) == 8 * 8
    assert config["adapted"]["language"] == "ml" and config["began_from"]["steps"] == 7 and config["steps"] == 3
    after, _ = load_acoustic(tmp_path / "out")
    before, _ = load_acoustic(model)
    trained = after.variance.text.symbols.weight[ids_of("a")[0]] - before.variance.text.symbols.weight[ids_of("a")[0]]
    assert trained.abs().max() > 1e-3
    voices = {path.stem: Voice.load(path) for path in (tmp_path / "out" / "voices").iterdir()}
    assert set(voices) == {"anna", "m1", "m2"} and {voice.model_id for voice in voices.values()} == {config["model_id"]}
    heard = after.variance.voice(torch.from_numpy(voices["anna"].reference)).style.detach().numpy()
    assert np.allclose(heard, voices["anna"].style, atol=2e-2)  # float16 weights; the encoder of voices did not learn
    assert not np.allclose(voices["m1"].style, voices["anna"].style, atol=0.1)


def test_where_only_rows_learn_nothing_else_changes_to_the_bit(model, stores, tmp_path):
    from recipes.train.loop import TrainConfig

    new, old = stores
    quick = TrainConfig(learning_rate=1e-2, warmup_steps=1, ema_decay=0.5, precision="32-true", validate_steps=100)
    config = adapt.main(model, new, old, tmp_path / "exp", tmp_path / "out", 5, task={"budget": 600}, config=quick, max_steps=3)
    assert config["adapted"]["learned"] == "rows" and config["adapted"]["replay_minutes"] == 0
    before, after = (load_acoustic(place)[0].half().float().state_dict() for place in (model, tmp_path / "out"))
    tables = [f"variance.text.{name}.weight" for name in ("symbols", "languages", "styles")]
    for name, value in before.items():
        if not name.startswith(adapt.HEAD) and name not in tables:
            assert torch.equal(value, after[name]), name
    for name, rows in zip(tables[1:], (1, STYLES_A_LANGUAGE), strict=True):
        assert torch.equal(before[name], after[name][:-rows])
        assert not torch.allclose(after[name][-rows:], before[name][rows : 2 * rows], atol=1e-3)  # it began as German
    known = ids_of(KNOWN)
    assert torch.equal(before[tables[0]][known], after[tables[0]][known])


def test_sentences_alone_give_a_model_that_says_it_never_heard_the_language(model, tmp_path):
    config = adapt.without_recordings(model, ["വന്ന കാലിൽ."], "ml", tmp_path / "zero")
    assert "ml" not in config["minutes"] and config["adapted"]["language"] == "ml"
    grown, _ = load_acoustic(tmp_path / "zero")
    assert ML.id in grown.variance.text.config.languages and (tmp_path / "zero" / "voices" / "anna.safetensors").exists()
    with pytest.raises(ModelError, match="is a model of kind 'aligner'"):
        adapt.without_recordings(ALIGNER, ["a"], "ml", tmp_path / "no")


def test_the_aligner_finds_new_phones_where_it_hears_their_nearest():
    from tts.aligner import Aligner

    grown, shipped = adapt.grow_aligner(ALIGNER), Aligner.load()
    assert not torch.equal(shipped.model.symbols.weight[ids_of("ʈ")], shipped.model.symbols.weight[ids_of("t")])
    mel = torch.randn(60, 100, generator=torch.Generator().manual_seed(0)) - 5
    said, near = ([inventory.SIL, *ids_of(text), inventory.SIL] for text in ("a ʈ i", "a t i"))
    found = Aligner(grown, {}).align_mel(mel, said)[0]
    assert np.array_equal(found, Aligner(grown, {}).align_mel(mel, near)[0])
    assert np.array_equal(found, shipped.align_mel(mel, near)[0])


def test_an_aligner_is_adapted_too_or_only_grown(stores, tmp_path):
    new, old = stores
    config = adapt.main(ALIGNER, new, old, tmp_path / "exp", tmp_path / "out", 5, hours=0.01, max_steps=0)
    assert (config["kind"], config["steps"], config["minutes"]["ml"]) == ("aligner", 0, 0.3)
    assert {"de", "fr", "cmn", "ml"} <= set(config["minutes"]) and set(config["phones"]) == {"ml"}  # the house did not count
    assert coverage.heard(config).known > coverage.heard({"minutes": {"de": 1.0}}).known


def test_models_without_tables_of_their_own_are_refused_by_name(stores, tmp_path):
    new, old = stores
    grown, _ = adapt.grow_acoustic(ALIGNER.parent / "megatts", ML, Counter(ids_of("a")), 3)
    assert grown.kind == "megatts" and grown.variance.text.config.languages[-1] == ML.id
    with pytest.raises(UsageError, match="is of kind 'speaker', which has no phones"):
        adapt.main(ALIGNER.parent / "speaker", new, old, tmp_path / "exp", tmp_path / "out", 5)
    with pytest.raises(UsageError, match="holds de, fr; one is added at a time"):
        adapt.main(ALIGNER, old, new, tmp_path / "exp", tmp_path / "out", 5)


def test_a_stranger_judges_by_the_phones_that_it_knows_and_tables_say_what_changed(monkeypatch):
    known = coverage.heard(HOUSE)
    a, t, retroflex = ids_of("a t ʈ")
    judge = experiment.Judge("stranger", lambda wav: [a, t], known.folded)
    assert judge([a, retroflex], np.zeros(1)).errors == 0
    assert experiment.Judge("own", lambda wav: [a, t])([a, retroflex], np.zeros(1)).errors == 1

    class House:
        """Says phones as samples: the text, with an error in every ``every``-th sentence."""

        def __init__(self, every, language="de"):
            self.every, self.voices = every, [type("V", (), {"name": "anna", "language": language})]

        def speak(self, row, voice=None):
            wrong = int(row.id) % self.every == 0
            wav = np.array([t if wrong else a, a, a, a], np.float32)
            return type("S", (), {"wav": wav, "voice": voice or "anna"})

    rows = [Row(id=str(i), wav="", text="", speaker="s", language="de") for i in range(12)]
    monkeypatch.setattr(experiment, "samples", lambda row: np.array([a, a, a, a], np.float32))
    plain = experiment.Judge("own", lambda wav: wav.astype(int).tolist())
    models = {"before": House(6), "after": House(4)}
    old = experiment.old_languages(rows, models, lambda row: [a] * 4, plain)
    rows = [replace(row, language="ml") for row in rows]
    new = experiment.new_language(rows, models | {"after": House(4, "ml")}, lambda row: [a] * 4, [plain], ["anna"])
    table = experiment.table(old, new, ["before", "after"])
    assert [row["language"] for row in table] == ["de", "ml (new), judge own", "ml (new), judge own, own voice"]
    assert table[1]["another text"].value == 0.0 and (table[2]["before"].value, table[2]["after"].n) == (None, 12)
    assert [table[0][name].value for name in ("natural", "before", "after")] == pytest.approx([0, 2 / 48, 3 / 48])
    assert table[0]["after, change"].value == pytest.approx(0.5) and table[0]["after, change"].low < 0.5
