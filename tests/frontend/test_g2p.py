"""The G2P worker: no word fails a request, no thread hears another's answer."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from frontend import g2p
from frontend.g2p import G2p
from frontend.word_alignment import share_out
from tts.base.errors import UnavailableError

# Plain text that ends or upsets espeak-ng 1.52 (stacked suffixes, l' chains, commands, raw phonemes).
POISON = ["s'" * 100, "'s" * 120, "ness" * 90, "un" * 100, "l'" * 120, "\x01B", "[[h@l]]", "<break/>", "a" * 4000, "\u0301" * 50,
          "\ue000\ue001", "\u200b", "-" * 300, "'" * 300, "𒀀𒀁", "9" * 400, "ǅ" * 80, "ß" * 200, "\U0010ffff"]


@pytest.fixture
def engine():
    own = G2p()
    yield own
    own.close()


def heard(said):
    return [word.phonemes for word in said.words]


@pytest.mark.parametrize("voice", ["en-us", "fr-fr"])
def test_text_that_kills_the_engine_leaves_the_words_around_it_whole(engine, voice):
    [clean] = engine.say(voice, [["bonjour", "tout", "monde"]])
    said = engine.say(voice, [["bonjour", poison, "monde"] for poison in POISON])
    for clause in said:
        assert len(clause.words) == 3
        assert clause.words[0].phonemes and clause.words[2].phonemes
        assert not clause.words[0].crashed and not clause.words[2].crashed
    assert engine.say(voice, [["bonjour", "tout", "monde"]]) == [clean]  # no command changed the engine


def test_a_killing_word_is_spelled_by_letters_and_says_so(engine):
    [alone] = engine.say("en-us", [["s"]])
    said = engine.say("en-us", [["hello", "s'" * 100, "world"], ["good"]])
    assert [word.crashed for word in said[0].words] == [False, True, False]
    assert said[0].words[1].phonemes == alone.words[0].phonemes * 100
    assert heard(said[1]) == heard(engine.say("en-us", [["good"]])[0])


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="POSIX signals")
def test_a_worker_killed_between_and_during_requests_is_replaced(engine):
    clauses = [["the", "old", "house", str(number)] for number in range(400)]
    expected = engine.say("en-us", clauses)
    os.kill(engine._worker.process.pid, signal.SIGKILL)
    assert engine.say("en-us", clauses[:2]) == expected[:2]
    killed = engine._worker.process.pid
    threading.Timer(0.03, os.kill, (killed, signal.SIGKILL)).start()
    assert engine.say("en-us", clauses) == expected
    time.sleep(0.05)
    assert engine.say("en-us", clauses[:2]) == expected[:2]
    assert engine._worker.process.pid != killed


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="POSIX signals")
def test_a_worker_that_hangs_is_replaced(engine):
    expected = engine.say("de", [["guten", "Tag"]])
    hung = engine._worker.process
    os.kill(hung.pid, signal.SIGSTOP)
    assert engine.say("de", [["guten", "Tag"]]) == expected
    assert hung.poll() is not None


def test_threads_and_languages_interleaved_hear_what_a_serial_run_hears(engine):
    texts = {"en-us": "the judge of an hour", "de": "schöne Straßen", "fr-fr": "les enfants ont faim", "nl": "een nieuw huis",
             "es": "el niño juega", "pl": "szczęście", "ru": "молоко", "sv": "sju sjuka"}
    fresh = G2p()
    expected = {voice: fresh.say(voice, [text.split()]) for voice, text in texts.items()}
    fresh.close()
    wrong = []

    def work(seed):
        order = random.Random(seed)
        for _ in range(40):
            voice = order.choice(list(texts))
            if engine.say(voice, [texts[voice].split()]) != expected[voice]:
                wrong.append(voice)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    engine.say("en-us", [["s'" * 100]])
    for thread in threads:
        thread.join()
    assert wrong == []


def test_the_worker_is_replaced_after_its_share_of_clauses(engine, monkeypatch):
    monkeypatch.setattr(g2p, "RECYCLE_AFTER", 3)
    first = engine.say("en-us", [["one"], ["two"], ["three"]])
    old = engine._worker.process
    assert engine.say("en-us", [["one"]])[0] == first[0]
    assert engine._worker.process.pid != old.pid and old.poll() is not None


def test_empty_words_and_clauses_keep_their_places(engine):
    said = engine.say("nl", [["huis", "", "boom"], [], [""]])
    assert [[bool(word.phonemes) for word in clause.words] for clause in said] == [[True, False, True], [], [False]]


def test_an_unknown_voice_is_unavailable_and_does_not_cost_the_worker(engine):
    engine.say("de", [["ja"]])
    pid = engine._worker.process.pid
    with pytest.raises(UnavailableError, match="xx"):
        engine.say("xx", [["ja"]])
    assert engine.say("de", [["ja"]])[0].words[0].phonemes and engine._worker.process.pid == pid


def test_a_worker_that_cannot_start_is_one_clear_error(engine, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(UnavailableError, match="did not start"):
        engine.say("de", [["ja"]])


def test_the_engine_is_the_bundled_one_whatever_the_system_has():
    code = ("from frontend.espeak import Espeak; import espeakng_loader as l, os; e = Espeak(); w = e._wrapper('de');"
            "assert w._ESPEAK_LIBRARY == l.get_library_path() and w.version >= (1, 52, 0), w.version;"
            "assert str(w.data_path) == os.path.realpath(l.get_data_path()), w.data_path")
    environment = {**os.environ, "PHONEMIZER_ESPEAK_LIBRARY": "/nowhere.so", "PHONEMIZER_ESPEAK_DATA_PATH": "/nowhere"}
    root = Path(g2p.__file__).parent.parent
    subprocess.run([sys.executable, "-c", code], check=True, cwd=root, env=environment)


def test_only_the_worker_loads_espeak():
    code = ("import sys, frontend.phonemize as p; p.phonemize([p.Token('ja', 0, 2)], 'de');"
            "assert not {'phonemizer', 'espeakng_loader', 'torch', 'panphon'} & set(sys.modules)")
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(g2p.__file__).parent.parent)


@pytest.mark.parametrize(("singles", "heard_words", "expected"), [
    # joined: "of the"
    ([["ʌ", "v"], ["ð", "ə"]], [["ʌ", "v", "ð", "ə"]], [["ʌ", "v"], ["ð", "ə"]]),
    # joined with another vowel and a linking sound: "her idea", "les enfants"
    ([["h", "ɜː"], ["aɪ", "d"]], [["h", "ɜː", "ɹ", "aɪ", "d"]], [["h", "ɜː", "ɹ"], ["aɪ", "d"]]),
    # the clause left nothing of a word: its single form
    ([["a"], ["b", "ə"]], [["b", "ə"]], [["a"], ["b", "ə"]]),
    # a word that is two words of the engine, alone and in the clause
    ([["b", "iː", "s", "iː"], ["n", "oʊ"]], [["b", "iː"], ["s", "iː"], ["n", "oʊ"]], [["b", "iː", "s", "iː"], ["n", "oʊ"]]),
    ([[], []], [], [[], []]),
])
def test_phonemes_go_to_the_words_they_come_from(singles, heard_words, expected):
    counts = [2 if len(single) == 4 else 1 if single else 0 for single in singles]
    assert share_out(singles, counts, heard_words) == expected


def test_warming_starts_a_worker_without_waiting_for_it():
    started = time.perf_counter()
    g2p.warm()
    assert time.perf_counter() - started < 0.25
    pid = g2p.engine()._worker.process.pid
    assert g2p.engine().say("de", [["ja"]])[0].words[0].phonemes and g2p.engine()._worker.process.pid == pid


@pytest.mark.skipif(not hasattr(os, "fork"), reason="POSIX processes")
def test_a_forked_process_gets_a_worker_of_its_own():
    code = ("import os; from frontend.g2p import engine; first = engine().say('de', [['ja', 'gut']]); child = os.fork()\n"
            "same = all(engine().say('de', [['ja', 'gut']]) == first for _ in range(50))\n"
            "if child: same = same and os.waitpid(child, 0)[1] == 0\n"
            "else: engine().close(); os._exit(not same)\n"
            "raise SystemExit(not same)")
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(g2p.__file__).parent.parent, timeout=60)


def test_an_interrupted_request_does_not_answer_the_next_one(engine, monkeypatch):
    [expected] = engine.say("en-us", [["good", "morning"]])

    def interrupted(self, seconds):
        monkeypatch.undo()
        raise KeyboardInterrupt

    monkeypatch.setattr(type(engine._worker), "_answer", interrupted)
    with pytest.raises(KeyboardInterrupt):
        engine.say("en-us", [["something", "else"]])
    assert engine.say("en-us", [["good", "morning"]]) == [expected]
