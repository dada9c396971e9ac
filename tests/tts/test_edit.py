"""Speech editing: words found, phones kept, prosody that fits both sides, joins without a click, samples left alone."""

from dataclasses import replace

import numpy as np
import pytest
import soundfile

import frontend
from tts.alignment import align_text, edit_distance, house_aligner, joined
from tts.api import Synthesizer
from tts.base.errors import DataError, NotPermittedError, UsageError
from tts.base.rng import normal
from tts.edit.native import Native
from tts.edit.prosody import Context, Walk, choose
from tts.edit.region import Recording, Speaker, draw_region, frame_sources, window
from tts.edit.splice import best_lag, crossfade, find_join, insert, jump
from tts.edit.text import changed_text, rewrite
from tts.models.variance import PhonePlan
from tts.prosody import is_silent
from tts.sampler import Candidate
from vocoder.audio.io import resample

TEXT = "The old captain painted his boat, and a green flag was raised above the harbour."
CONSENT = "nobody; a synthetic voice; for this test"
RATE = 16_000


@pytest.fixture(scope="module")
def house():
    return Synthesizer()


@pytest.fixture(scope="module")
def recording(house, tmp_path_factory):
    """Speech at another rate and format than the models', in a room with some noise."""
    wav = resample(house.synth(TEXT, language="en", voice="kathleen").samples, 24_000, RATE)
    wav = 0.5 * wav + 5e-4 * normal(0, "room", len(wav))
    path = tmp_path_factory.mktemp("edit") / "in.wav"
    soundfile.write(path, wav, RATE, subtype="PCM_24")
    return path


@pytest.fixture(scope="module")
def edited(house, recording):
    return house.edit(recording, TEXT, replace=[("painted", "repaired")], delete=["green"], language="en", consent=CONSENT)


@pytest.mark.parametrize(
    ("edits", "expected"),
    [
        ({"replaced": [("cat", "dog")]}, "“The dog”, he said; the hat."),
        ({"replaced": [("THE CAT he", "a dog she")]}, "“a dog she said; the hat."),
        ({"inserted": [("said", "then")]}, "“The cat”, he said then; the hat."),
        ({"deleted": ["he said"]}, "“The cat”,; the hat."),
        ({"deleted": ["the cat"]}, "“”, he said; the hat."),
        ({"deleted": ["the hat"]}, "“The cat”, he said;."),
        ({"replaced": [("hat", "cap")], "inserted": [("cat", "sat")], "deleted": ["he"]}, "“The cat sat”, said; the cap."),
        ({"to": "New."}, "New."),
    ],
)
def test_words_are_found_whatever_stands_around_them(edits, expected):
    assert changed_text("“The cat”, he said; the hat.", **edits) == expected


def test_chinese_is_edited_without_spaces():
    assert changed_text("今天天气很好。", replaced=[("天气", "心情")]) == "今天心情很好。"
    assert changed_text("今天天气很好。", inserted=[("今天", "的")], deleted=["很"]) == "今天的天气好。"


@pytest.mark.parametrize(
    ("edits", "error", "told"),
    [
        ({"replaced": [("dog", "x")]}, DataError, "'dog' stands nowhere"),
        ({"replaced": [("", "x")]}, DataError, "nowhere"),
        ({"deleted": ["the"]}, DataError, "'the' stands 2 times"),
        ({}, UsageError, "nothing to edit"),
        ({"deleted": ["cat"], "to": "x"}, UsageError, "does not go with"),
        ({"deleted": ["the cat"], "replaced": [("cat", "dog")]}, UsageError, "two edits change 'cat'"),
    ],
)
def test_edits_that_mean_nothing_are_told(edits, error, told):
    with pytest.raises(error, match=told):
        changed_text("the cat, the hat", **edits)


def phones_of(text):
    return joined(frontend.process(text, "en"))[0]


def test_only_the_phones_of_changed_words_are_new():
    old, new = phones_of("He left a box, then he slept."), phones_of("He left a bag, then he slept.")
    change = rewrite(old, new)
    (region,) = change.regions
    assert (region.old_text, region.new_text) == ("box", "bag")
    assert np.array_equal(change.phones.ids, new.ids)  # the rest reads the same
    fresh = np.flatnonzero(change.source < 0)
    assert region.new == (fresh[0], fresh[-1] + 1) and np.array_equal(np.delete(change.source, fresh), [
        i for i in range(len(old)) if not region.old[0] <= i < region.old[1]])  # fmt: skip
    assert not is_silent(old.ids[region.old[0] : region.old[1]]).any()  # the comma and its pause stay


def test_a_neighbour_that_is_now_said_otherwise_changes_too():
    (region,) = rewrite(phones_of("She saw the hat today."), phones_of("She saw the apple today.")).regions
    assert (region.old_text, region.new_text) == ("the hat", "the apple")


def test_deleting_takes_one_border_away_and_near_edits_become_one():
    old = phones_of("One two three four five.")
    change = rewrite(old, phones_of("One two four five."))
    assert change.regions[0].new_text == "" and change.regions[0].new[0] == change.regions[0].new[1]
    assert np.array_equal(change.phones.ids, phones_of("One two four five.").ids)
    frames = np.full(len(old), 5)
    two = phones_of("One ten three nine five.")
    assert len(rewrite(old, two, 0, frames).regions) == 2
    (both,) = rewrite(old, two, 40, frames).regions
    assert both.new_text == "ten three nine"
    with pytest.raises(DataError, match="are the same"):
        rewrite(old, phones_of("ONE two, three four five!"))


def test_a_sentence_is_its_own_window():
    old = phones_of("It rains. He left a box here. We sleep.")
    change = rewrite(old, phones_of("It rains. He left a bag here. We sleep."))
    clause, source, start, end = window(change, *change.regions[0].new)
    symbols = [frontend.inventory.id_to_symbol(int(i)) for i in clause.ids]
    assert symbols[0] == symbols[-1] == "SIL" and symbols[-2] == "." and symbols.count(".") == 1
    assert (source[start:end] < 0).all() and (source[1:start] >= 0).all() and (source[end:-1] >= 0).all()
    durations = np.where(source >= 0, 2, 3)
    frames = frame_sources(durations, source, 2 * np.arange(len(old) + 1))
    kept = frames[frames >= 0]
    assert len(frames) == durations.sum() and len(np.unique(kept)) == len(kept) and np.array_equal(np.sort(kept), kept)


def context_of(left, right, n=20, span=(8, 12)):
    rng = np.random.default_rng(0)
    predicted = rng.standard_normal((n, 3)) + np.array([2.0, 5.0, -5.0])
    heard = predicted + 0.02 * rng.standard_normal((n, 3))
    heard[: span[0]] += left
    heard[span[1] :] += right
    known = np.ones(n, bool)
    known[span[0] : span[1]] = False
    return Context(np.ones(n, bool), known, np.where(known[:, None], heard, 0), predicted, *span)


def test_new_words_follow_the_rate_and_register_heard_around_them():
    context = context_of([0.3, 0.2, 0.5], [0.3, 0.2, 0.5])
    best, score, scores = choose(Walk(context), 16, 0, ("x",))
    assert best[8:12] - context.predicted[8:12] == pytest.approx(np.tile([0.3, 0.2, 0.5], (4, 1)), abs=0.12)
    assert score == max(scores) and len(set(scores)) == 16
    assert np.array_equal(best[context.known], context.heard[context.known])
    first, again, other = (Walk(context).draw(3, seed, ("x",)) for seed in (0, 0, 1))
    assert np.array_equal(first, again) and np.array_equal(first[0], other[0]) and not np.array_equal(first[1], other[1])


def test_the_score_looks_to_both_sides():
    """High before and low after: a path that falls is likelier than one that stays, and one that jumps is the least likely."""
    walk = Walk(context_of([0.0, 0.3, 0.0], [0.0, -0.3, 0.0]))
    stays, falls, jumps = (walk.expected.copy() for _ in range(3))
    stays[8:12, 1] += walk.left[1]
    falls[8:12, 1] += np.linspace(walk.left[1], walk.right[1], 6)[1:-1]
    jumps[8:12, 1] += [-0.6, 0.6, -0.6, 0.6]
    assert walk.score(falls) > walk.score(stays) > walk.score(jumps)


def test_a_prosody_model_takes_the_place_of_the_walk():
    """It gets what is known with its codes, draws the span alone, and its best draw is spoken, moved to what is heard nearby."""
    old = phones_of("He left a box here, and then we went to sleep.")
    change = rewrite(old, phones_of("He left a bag here, and then we went to sleep."))
    size, asked, spoken, around = len(change.phones), {}, [], []
    frames = np.where(is_silent(old.ids), 0, 6)
    ends = np.concatenate([[0], np.cumsum(frames)])
    flat = PhonePlan(np.full(size, 5), np.full(size, 100, np.float32), np.full(size, -5, np.float32))
    total, n_old = int(ends[-1]), len(old)
    mel, f0 = np.arange(total, dtype=np.float32)[:, None].repeat(100, 1) / total - 5, np.full(total, 120, np.float32)
    pitch, energy = np.full(n_old, np.log(200.0)), np.full(n_old, -4.0)
    recording = Recording(1.0, mel, f0, ends, pitch, energy, floor=np.full(100, -9.0), codes=np.arange(n_old))

    def draw(phones, known, sought, key, n):
        asked.update(known=known, sought=sought, key=key)
        pitches = [flat.pitch[: len(sought)] * (1 + i / 10) for i in range(n)]
        codes = [np.where(sought, 900 + i, known.codes) for i in range(n)]
        return [Candidate(replace(known, codes=codes[i], pitch=pitches[i]), -abs(i - 2)) for i in range(n)]

    def infer(phones, plan, noise, true, stays):
        spoken.append(plan)
        around.append((true, stays))
        total = int(plan.durations.sum())
        return np.full((total, 100), -6, np.float32), np.full(total, 90, np.float32)

    def decode(mel, f0, seed, stream):
        return np.zeros(320 * len(mel), np.float32)

    drawn = draw_region(Speaker(lambda phones: flat, infer, decode, None, draw), recording, change, 0, 5, 7)
    (plan,), sought = spoken, asked["sought"]  # the window is the whole text
    kept = ~sought
    assert np.array_equal(np.flatnonzero(sought), np.flatnonzero(change.source < 0)) and asked["key"] == (7, "edit", 0)
    assert np.array_equal(asked["known"].codes[kept], change.source[kept]) and (asked["known"].codes[sought] == -1).all()
    assert drawn.score == 0 and len(drawn.scores) == 5 and (plan.codes[sought] == 902).all()
    assert np.array_equal(plan.durations[kept], frames[change.source[kept]])
    assert plan.pitch[sought] == pytest.approx(120 * 200 / 100, rel=1e-3)  # draw 2, an octave up as all that is heard
    (true, stays), new = around[0], np.repeat(sought, plan.durations)
    heard_frames = np.concatenate([np.arange(ends[i], ends[i + 1]) for i in change.source[kept]])
    assert np.array_equal(stays, ~new) and np.array_equal(true[stays], mel[heard_frames])
    first, last = drawn.span
    assert last - first == 320 * plan.durations[sought].sum() and len(drawn.wav) > last


def test_a_join_is_in_phase_and_leaves_no_click():
    t = np.arange(RATE) / RATE
    one, other = np.sin(2 * np.pi * 150 * t), np.sin(2 * np.pi * 150 * t + 2.0)
    join = find_join(one, other, 8000, 0, RATE, 0.05, 0.05)
    assert join.correlation > 0.999
    end, middle, start = insert(one, other, join, None, (0, len(other)), RATE)
    whole = np.concatenate([one[:end], middle, one[start:]])
    assert np.abs(np.diff(whole[: len(whole) - 300])).max() < 1.02 * np.abs(np.diff(one)).max()
    assert jump(whole, join.one, RATE) < 1.05
    cut = np.where(np.arange(RATE) < 8027, one, -one)  # what a plain cut in a loud place does
    assert jump(cut, 8027, RATE) > 5


def test_a_join_prefers_quiet_and_levels_meet():
    rng = np.random.default_rng(1)
    one, other = (rng.standard_normal(RATE) * 0.1 for _ in range(2))
    one[7800:8100] *= 0.01
    other[7800:8100] *= 0.01
    assert 7800 <= find_join(one, other, 8200, 0, RATE, 0.07, 0.01).one <= 8100
    t = np.sin(np.arange(RATE) * 0.06)
    join = find_join(t, 0.6 * t, 8000, 0, RATE, 0.02, 0.02)
    _, middle, _ = insert(t, 0.6 * t, join, None, (0, len(t)), RATE)
    assert np.abs(middle[:400]).max() == pytest.approx(1, abs=0.15)  # not 0.6 at once
    assert np.abs(middle[-1000:-300]).max() == pytest.approx(0.6, abs=0.01)
    assert find_join(t, t, 5, 0, RATE, 0.001, 0.001) is None  # no room


def test_crossfades_keep_power_and_lags_are_found():
    noise = np.random.default_rng(2).standard_normal((2, 20_000))
    assert np.std(crossfade(*noise, 0.0)) == pytest.approx(1, abs=0.03)
    assert np.array_equal(np.round(crossfade(noise[0], noise[0], 1.0), 9), np.round(noise[0], 9))
    assert best_lag(noise[0, 100:300], noise[0, 60:400])[0] == 40


@pytest.mark.parametrize(
    ("ending", "subtype"),
    [("wav", "PCM_U8"), ("wav", "PCM_16"), ("wav", "PCM_24"), ("wav", "PCM_32"), ("wav", "FLOAT"), ("wav", "DOUBLE"),
     ("flac", "PCM_S8"), ("flac", "PCM_16"), ("flac", "PCM_24")],
)  # fmt: skip
def test_every_sample_format_is_read_and_written_bit_for_bit(tmp_path, ending, subtype):
    noise = np.clip(0.3 * np.random.default_rng(0).standard_normal(5000), -1, 1)
    soundfile.write(tmp_path / f"a.{ending}", noise, 11_025, subtype=subtype)
    native = Native.read(tmp_path / f"a.{ending}")
    assert (native.subtype, native.sample_rate, native.lossy) == (subtype, 11_025, "")
    native.write(tmp_path / f"b.{ending}")
    one, other = (soundfile.read(tmp_path / f"{name}.{ending}", dtype="float64") for name in "ab")
    assert np.array_equal(one[0], other[0]) and soundfile.info(tmp_path / f"b.{ending}").subtype == subtype
    assert np.array_equal(native.like(native.wav), native.samples)
    clipped = native.with_samples(native.like(np.array([2.0, -2.0]))).wav
    assert clipped == pytest.approx([1, -1] if native.samples.dtype == np.int32 else [2, -2], abs=0.01)


def test_what_cannot_be_kept_bit_for_bit_is_said(tmp_path):
    noise = 0.1 * np.random.default_rng(0).standard_normal((8000, 2))
    soundfile.write(tmp_path / "stereo.wav", noise, 8000)
    with pytest.raises(DataError, match="2 channels"):
        Native.read(tmp_path / "stereo.wav")
    soundfile.write(tmp_path / "a.ogg", noise[:, 0], 8000)
    assert Native.read(tmp_path / "a.ogg").lossy == "OGG" and Native.read(tmp_path / "a.ogg").subtype == "PCM_16"
    soundfile.write(tmp_path / "f.wav", noise[:, 0], 8000, subtype="FLOAT")
    for name in ("x.flac", "x.mp3", "x"):
        with pytest.raises(UsageError, match="cannot hold FLOAT"):
            Native.read(tmp_path / "f.wav").check_output(tmp_path / name)
    assert Native.read((noise[:, 0], 8000)).subtype == "DOUBLE"


def test_the_new_words_are_heard_and_the_old_are_gone(edited):
    assert edited.text == "The old captain repaired his boat, and a flag was raised above the harbour."
    wav = resample(edited.samples, RATE, 24_000)
    texts = [edited.text, TEXT, edited.text.replace("repaired", "painted")]
    heard = house_aligner().recognise(wav)
    errors = []
    for text in texts:
        said = [int(i) for i in phones_of(text).ids if not is_silent(i)]
        errors.append(edit_distance(heard, said) / len(said))
    assert errors[0] < 0.3 and errors[0] < min(errors[1:])
    words = align_text(wav, edited.text, "en").speech(len(wav)).words
    new = next(word for word in words if word.label == "repaired")
    replaced = next(edit for edit in edited.edits if edit.new_text == "repaired")
    assert new.start == pytest.approx(replaced.new[0], abs=0.1) and new.end == pytest.approx(replaced.new[1], abs=0.1)


def test_outside_the_joins_every_sample_is_the_recordings_own(edited, recording, tmp_path):
    edited.save(tmp_path / "out.wav")
    before, after = (soundfile.read(path, dtype="int32")[0] for path in (recording, tmp_path / "out.wav"))
    assert soundfile.info(tmp_path / "out.wav").subtype == "PCM_24" and len(edited.kept) == 3
    ends = [0]
    for start, source, count in edited.kept:
        assert np.array_equal(after[start : start + count], before[source : source + count])
        inside = [edit for edit in edited.edits if abs(edit.new[1] - start / RATE) < 0.02]
        assert start == 0 or len(inside) == 1  # all that is not kept lies between the joins of an edit
        ends.append(start + count)
    assert ends[-1] == len(after) and sum(n for *_, n in edited.kept) > 0.75 * len(before)
    assert len(after) - len(before) == pytest.approx(
        sum((e.new[1] - e.new[0]) - (e.old[1] - e.old[0]) for e in edited.edits) * RATE, abs=1.5 * len(edited.edits))  # fmt: skip


def test_joins_do_not_click_and_level_and_noise_go_through(edited, recording):
    joins = [join for edit in edited.edits for join in edit.joins]
    assert len(joins) == 3 and all(join["jump"] < 3 for join in joins)  # a deletion has one
    before, after = soundfile.read(recording)[0], edited.audio.wav
    replaced = next(edit for edit in edited.edits if edit.new_text)
    old, new = (wav[round(a * RATE) : round(b * RATE)] for wav, (a, b) in ((before, replaced.old), (after, replaced.new)))
    assert abs(20 * np.log10(np.std(new) / np.std(old))) < 4


def test_the_account_names_what_was_done(edited):
    told = edited.to_dict()
    assert told["consent"] == {"kind": "asserted", "statement": CONSENT} and len(told["source_sha256"]) == 64
    assert [(row["old_text"], row["new_text"]) for row in told["edits"]] == [("painted", "repaired"), ("green", "")]
    assert told["segments_edited"] == [row["new"] for row in told["edits"]] and told["edits"][0]["candidates"] == 16
    assert told["edits"][1]["new"][0] == told["edits"][1]["new"][1] and told["warnings"] == []


def test_the_same_seed_gives_the_same_samples(house, recording, edited):
    request = {"replace": [("painted", "repaired")], "delete": ["green"], "language": "en", "consent": CONSENT}
    assert np.array_equal(house.edit(recording, TEXT, **request).audio.samples, edited.audio.samples)
    other = house.edit(recording, TEXT, **request, seed=1).audio.samples
    assert not np.array_equal(other, edited.audio.samples)


def test_first_and_last_words_may_change(house, recording):
    to = "An old captain painted his boat, and a green flag was raised above the city."
    result = house.edit(recording, TEXT, to=to, language="en", consent=CONSENT)
    assert [edit.old_text for edit in result.edits] == ["The", "harbour"] and result.edits[0].new[0] < 0.2
    assert np.isfinite(result.samples).all() and sum(n for *_, n in result.kept) > 0.6 * len(result.samples)


def test_refusals(house, recording):
    with pytest.raises(NotPermittedError, match="consent of the person"):
        house.edit(recording, TEXT, delete=["green"], language="en")
    with pytest.raises(DataError, match="are the same"):
        house.edit(recording, TEXT, to=TEXT.upper(), language="en", consent=CONSENT)
    with pytest.raises(UsageError, match="candidates"):
        house.edit(recording, TEXT, delete=["green"], language="en", consent=CONSENT, candidates=0)
    with pytest.raises(DataError, match="sound above"):
        house.edit((np.zeros(48_000, np.float32), RATE), TEXT, delete=["green"], language="en", consent=CONSENT)
    text = "Nobody came to see her that evening, she said."
    doubted = house.edit(recording, text, delete=["evening"], language="en", consent=CONSENT)
    assert "is this what is said" in doubted.warnings[0]
