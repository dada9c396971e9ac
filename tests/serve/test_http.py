"""Every path, every refusal, and clients that are slow, gone, or too many: over real sockets, without a model."""

import base64
import json
import signal
import socket
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tests.serve.conftest import RATE, form, tone, until
from tts.base.errors import DataError, NotPermittedError, UnavailableError
from tts.base.limits import LIMITS
from tts.serve import page
from tts.serve.clones import Clones
from tts.serve.engine import Engine
from tts.serve.server import Settings, bound, read_token
from vocoder.audio.io import FORMATS, read_audio, read_comment

SPEECH = "/v1/audio/speech"


def expected(n):
    return np.concatenate([tone(i) for i in range(n)])


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_is_the_sound_with_its_record(hummed, format):
    answer = hummed.ask(SPEECH, {"input": "one two three", "voice": "kerstin", "response_format": format, "seed": 5})
    assert answer.status == 200 and answer.headers["x-voice"] == "kerstin" and answer.headers["x-seed"] == "5"
    if format == "pcm":
        sound = np.frombuffer(answer.body, "<i2") / 32768
    else:
        sound = read_audio(answer.body)
        assert json.loads(read_comment(answer.body))["schema"] == "hum"
    levels = [second.std() for second in sound[: 3 * RATE].reshape(3, RATE)]
    assert np.allclose(levels, [0.07, 0.14, 0.21], atol=0.02)
    if format in ("pcm", "wav", "flac"):
        assert np.abs(sound - expected(3)).max() < 1e-4


def test_fields_reach_the_synthesiser_and_the_defaults_are_openai_s(hummed):
    asked = {"model": "tts-1", "input": "hi", "voice": "alloy", "speed": 1.5, "pitch_st": -2, "language": "de"}
    hummed.ask(SPEECH, asked | {"instructions": ""})
    call = hummed.hum.calls[-1]
    assert call["voice"] == "kathleen" and call["language"] == "de" and call["seed"] == 0 and call["phonemes"] is False
    assert (call["controls"].rate, call["controls"].pitch_st, call["controls"].energy_db) == (1.5, -2, 0.0)
    answer = hummed.ask(SPEECH, {"input": "hi", "voice": {"id": "kerstin"}, "language": None})
    assert answer.headers["content-type"] == "audio/mpeg" and hummed.hum.calls[-1]["voice"] == "kerstin"
    assert hummed.hum.calls[-1]["language"] == "auto"


@pytest.mark.parametrize("stream_format", ["sse", "ndjson"])
def test_events_carry_sound_and_times_in_order(hummed, stream_format):
    asked = {"input": "one two three", "response_format": "pcm", "stream_format": stream_format, "timings": True}
    lines = [line for line in hummed.ask(SPEECH, asked).body.decode().split("\n") if line]
    assert all(line.startswith("data: ") for line in lines) == (stream_format == "sse")
    events = [json.loads(line.removeprefix("data: ")) for line in lines]
    assert [event["type"].rpartition(".")[2] for event in events] == ["timings", "delta"] * 3 + ["done"]
    words = [word for event in events[::2] if "words" in event for word in event["words"]]
    assert [(w["label"], w["start"], w["end"]) for w in words] == [("one", 0, 1), ("two", 1, 2), ("three", 2, 3)]
    sound = b"".join(base64.b64decode(event["audio"]) for event in events if "audio" in event)
    assert np.abs(np.frombuffer(sound, "<i2") / 32768 - expected(3)).max() < 1e-4
    done = events[-1]
    assert done["seconds"] == 3 and done["usage"]["output_tokens"] == 225 and done["provenance"] and done["notes"]
    del asked["timings"]
    assert b"timings" not in hummed.ask(SPEECH, asked).body


def test_lists(hummed):
    voices = hummed.ask("/v1/voices").json["voices"]
    assert [voice["id"] for voice in voices] == ["kathleen", "kerstin"] and "alloy" in voices[0]["also"]
    assert hummed.ask("/v1/audio/voices").json == {"voices": voices}
    assert [model["id"] for model in hummed.ask("/v1/models").json["data"]] == ["hum"]
    assert hummed.ask("/v1/models/tts-1").json["id"] == "hum" and hummed.ask("/v1/models/gpt-9").status == 404
    assert hummed.ask("/healthz").status == hummed.ask("/readyz").status == 200


def good(**more):
    return json.dumps({"input": "hi", **more})


BAD = [
    (b"", 400, "json.syntax"),
    (b"{", 400, "json.syntax"),
    (b"[]", 400, "request.json"),
    (b'{"input": "\xff"}', 400, "json.utf8"),
    (b'{"input": "a", "input": "b"}', 400, "json.duplicate_key"),
    (b"[" * 100_000, 400, "json.depth"),
    (b'{"input": "hi", "speed": NaN}', 400, "json.not_finite"),
    (b'{"input": "hi", "speed": 1e999}', 400, "controls.speed"),
    (b'{"input": "hi", "seed": 1' + b"0" * 5000 + b"}", 400, "json.syntax"),
    (good(speed="fast"), 400, "request.type"),
    (good(speed=True), 400, "request.type"),
    (good(speed=9), 400, "controls.speed"),
    (good(pitch_st=40), 400, "controls.pitch_st"),
    (good(seed=-1), 400, "controls.seed"),
    (good(seed=1.5), 400, "request.type"),
    (good(input=""), 400, "request.text"),
    (good(input=None), 400, "request.text"),
    (good(input=["hi"]), 400, "request.type"),
    (good(inputs="hi"), 400, "request.field"),
    (good(url="http://169.254.169.254/"), 400, "request.field"),
    (good(instructions="whisper"), 400, "request.instructions"),
    (good(response_format="aac"), 400, "audio.format"),
    (good(response_format="../x.wav"), 400, "audio.format"),
    (good(stream_format="x"), 400, "request.stream_format"),
    (good(timings=True), 400, "request.timings"),
    (good(timings="words", stream_format="sse"), 400, "request.type"),
    (good(model="gpt-9"), 404, "model.unknown"),
    (good(language="../de"), 404, "language.unknown"),
    (good(voice={"id": "kathleen", "path": "x"}), 400, "request.type"),
    (good(voice={"id": 3}), 400, "request.type"),
    *[(good(voice=name), 404, "voice.unknown") for name in
      ("../../etc/passwd", "/etc/passwd", "kathleen.safetensors", "..%2fx", "file:///etc/passwd", "\\\\host\\x", "|id",
       "kathleen\0", "", "ｋathleen", "a" * 100_000)],
    (good(prosody="p.json"), 400, "request.type"),
    (good(prosody={}, speed=1.2), 400, "request.prosody"),
    ('{"input": "hi", "prosody": {"ms": ' + "[" * 40 + "]" * 40 + "}}", 400, "json.depth"),
    ('{"input": "hi", "prosody": {"ms": NaN}}', 400, "json.not_finite"),
    (good(prosody={}, input="a" * (LIMITS.serve_prosody_chars + 1)), 413, "request.text_size"),
    (good(voice="kathleen-0123456789abcdef0123456789abcdef"), 404, "voice.unknown"),
    (good(input="a" * (LIMITS.serve_text_chars + 1)), 413, "request.text_size"),
    (good(input="a" * LIMITS.serve_json_bytes), 413, "request.size"),
]  # fmt: skip


def test_bad_requests_are_told_and_open_nothing(hummed):
    hummed.ask(SPEECH, {"input": "hi", "language": "de"})  # what is read once has been read
    calls, opened = len(hummed.hum.calls), []
    watching = True

    def watch(event, arguments):
        if watching and event in ("open", "os.listdir", "os.scandir", "subprocess.Popen", "socket.getaddrinfo"):
            opened.append((event, arguments[0]))

    json_body = {"Content-Type": "application/json"}
    answers = []
    sys.addaudithook(watch)
    try:
        for body, *_ in BAD:
            answers.append(hummed.ask(SPEECH, body.encode() if isinstance(body, str) else body, json_body))
    finally:
        watching = False
    for (body, status, code), answer in zip(BAD, answers, strict=True):
        error = answer.json["error"]
        assert (answer.status, error["code"]) == (status, code), (body[:80], answer.body)
        assert error["message"] and error["type"] == error["kind"] and len(answer.body) < 2000
    assert not [place for event, place in opened if event != "socket.getaddrinfo" or place != "127.0.0.1"]
    assert len(hummed.hum.calls) == calls
    assert hummed.ask(SPEECH, "input=hi", {"Content-Type": "text/plain"}).json["error"]["code"] == "serve.media_type"
    assert hummed.ask(SPEECH, good(), json_body).status == 200


AGREED = {"consent": "nobody; for this test; today"}
BAD_FORMS = [
    ("voices", {"audio": b"x"}, 403, "consent.missing"),
    ("voices", {"audio": b"x", "consent": " "}, 403, "consent.missing"),
    ("voices", {"audio": b"x", "consent": "/etc/consent.json"}, 400, "consent.malformed"),
    ("voices", {"audio": b"x", "consent": '{"speaker": "Jane"}'}, 400, "consent.malformed"),
    ("voices", {"audio": b"x", "consent": '{"speaker": NaN}'}, 400, "json.not_finite"),
    ("voices", {"audio": b"x", "consent": b"\xff"}, 400, "request.utf8"),
    ("voices", {"audio": b"", **AGREED}, 400, "request.audio"),
    ("voices", {"audio": b"x", "path": "/etc/passwd", **AGREED}, 400, "request.field"),
    ("voices", {"audio": b"x", "name": "../x", **AGREED}, 400, "voice.name"),
    ("voices", {"audio": b"x", "language": "../de", **AGREED}, 404, "language.unknown"),
    ("voices", {"audio": bytes(LIMITS.serve_upload_bytes), **AGREED}, 413, "request.size"),
    ("audio/edit", {"audio": b"x", "text": "a", "to": "b"}, 403, "consent.missing"),
    ("audio/edit", {"audio": b"x", "to": "b", **AGREED}, 400, "request.text"),
    ("audio/edit", {"audio": b"x", "text": "a" * (LIMITS.serve_text_chars + 1), "to": "b", **AGREED}, 413, "request.text_size"),
    ("audio/edit", {"audio": b"x", "text": "a", "to": "b", "seed": "nan", **AGREED}, 400, "request.type"),
    ("audio/edit", {"audio": b"x", "text": "a", "to": "b", "candidates": "1000", **AGREED}, 400, "request.type"),
    ("audio/edit", {"audio": b"x", "text": "a", "to": "b", "response_format": "mp3", **AGREED}, 400, "audio.format"),
]


@pytest.mark.parametrize(("path", "fields", "status", "code"), BAD_FORMS)
def test_bad_forms_are_told_before_any_work(hummed, path, fields, status, code):
    answer = hummed.ask(f"/v1/{path}", *form(fields))
    assert (answer.status, answer.json["error"]["code"]) == (status, code) and len(answer.body) < 2000


def test_forms_that_are_none_are_told(hummed):
    body, headers = form({"audio": b"\r\n--y\r\n", **AGREED})
    for data, kind, status, code in (
        (body, "application/json", 415, "serve.media_type"),
        (body, "multipart/form-data", 415, "serve.media_type"),
        (body, "multipart/form-data; boundary=z", 400, "request.form"),
        (body[:-8], headers["Content-Type"], 400, "request.form"),
        (body.replace(b' name="audio"', b""), headers["Content-Type"], 400, "request.field"),
        (body.replace(b"Content-Disposition", b"X"), headers["Content-Type"], 400, "request.form"),
        (body[:-5] + body, headers["Content-Type"], 400, "request.field"),
        (b"--x\r\n" * 1000 + body, headers["Content-Type"], 400, "request.form"),
    ):
        answer = hummed.ask("/v1/voices", data, {"Content-Type": kind})
        assert (answer.status, answer.json["error"]["code"]) == (status, code), data


def test_a_question_for_prosody_has_no_fields_of_an_answer(hummed):
    for more, status, code in (
        ({"response_format": "wav"}, 400, "request.field"),
        ({"prosody": {}}, 400, "request.field"),
        ({"input": "a" * (LIMITS.serve_prosody_chars + 1)}, 413, "request.text_size"),
    ):
        answer = hummed.ask("/v1/audio/prosody", {"input": "hi", **more})
        assert (answer.status, answer.json["error"]["code"]) == (status, code)


def test_clones_are_bounded_and_forgotten_when_nobody_uses_them():
    now = 0.0
    clones = Clones(lambda: now)
    first, *others = [clones.add(SimpleNamespace(name=f"v{i}")) for i in range(LIMITS.serve_clones)]
    assert first in clones and clones.get(first).name == "v0" and "v0" not in clones  # a use
    last = clones.add(SimpleNamespace(name="last"))
    assert first in clones and last in clones and others[0] not in clones and others[1] in clones
    now = LIMITS.serve_clone_seconds - 1
    assert clones.get(first) and clones.forget(last) and not clones.forget(last)
    now += 2
    assert first in clones and others[1] not in clones
    assert len({name.rpartition("-")[2] for name in (first, *others)}) == LIMITS.serve_clones and len(first) > 32


def test_recordings_beyond_what_one_thread_can_take_are_refused(serve, hum):
    def clone(audio, **request):
        hum.held.set()
        assert hum.gate.acquire(timeout=20)
        raise DataError("no speech.", code="voice.no_speech")

    hum.clone = clone
    with serve(hum) as server, ThreadPoolExecutor(LIMITS.serve_recordings) as pool:
        asked = form({"audio": b"x", **AGREED})
        waiting = [pool.submit(server.ask, "/v1/voices", *asked) for _ in range(LIMITS.serve_recordings)]
        until(lambda: server.service.studio.waiting == LIMITS.serve_recordings)
        assert server.ask("/v1/voices", *asked).status == 429
        assert server.ask(SPEECH, {"input": "hi"}).status == 200  # those who want sound do not wait
        hum.gate.release(LIMITS.serve_recordings)
        assert {answer.result().json["error"]["code"] for answer in waiting} == {"voice.no_speech"}


def test_nobody_unknown_has_recordings_cloned(serve, hum):
    with serve(hum, Settings(host="0.0.0.0", insecure=True)) as server:
        for path in ("/v1/voices", "/v1/audio/edit"):
            refused = server.ask(path, *form({"audio": b"x", **AGREED}))
            assert (refused.status, refused.json["error"]["code"]) == (403, "serve.recordings")
        assert server.ask(SPEECH, {"input": "hi"}).status == 200


def test_the_page_is_files_of_the_package_under_a_strict_policy_and_nothing_else(hummed, serve, hum):
    for path, (name, kind) in page.FILES.items():
        answer = hummed.ask(path)
        assert answer.body == (Path(page.__file__).parent / name).read_bytes() and kind in answer.headers["content-type"]
        assert "default-src 'self'" in answer.headers["content-security-policy"]
        assert "unsafe" not in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
    there = {path.name for path in Path(page.__file__).parent.iterdir() if path.suffix in (".html", ".css", ".svg", ".js")}
    assert there == {name for name, _ in page.FILES.values()}
    for path in ("/page/", "/page/__init__.py", "/page/../app.py", "/page/%2e%2e/app.py", "/index.html"):
        assert hummed.ask(path).status == 404
    assert hummed.ask("/", headers={"Host": "evil.example"}).status == 403
    with serve(hum, Settings(token="t" * 32)) as server:
        assert server.ask("/").status == 200  # it asks for the token
        for path, method in (("/v1/audio/prosody", "POST"), ("/v1/audio/edit", "POST"), ("/v1/voices", "POST"),
                             ("/v1/voices/x", "GET"), ("/v1/voices/x", "DELETE")):  # fmt: skip
            assert server.ask(path, method=method).status == 401


def test_wrong_paths_and_methods_have_the_same_errors(hummed):
    for path, method, status, code in (
        ("/v1/nothing", "GET", 404, "serve.path"),
        ("/../../etc/passwd", "GET", 404, "serve.path"),
        (SPEECH, "GET", 405, "serve.method"),
        ("/v1/audio/edit", "GET", 405, "serve.method"),
        ("/v1/voices", "DELETE", 405, "serve.method"),
        ("/v1/voices/kathleen", "GET", 404, "voice.unknown"),
        ("/v1/voices/kathleen", "DELETE", 404, "voice.unknown"),
        ("/v1/codec/encode?books=x", "POST", 400, "request.type"),
        ("/v1/codec/encode?file=x", "POST", 400, "request.field"),
        ("/v1/codec/decode?response_format=exe", "POST", 400, "audio.format"),
    ):
        answer = hummed.ask(path, method=method)
        assert (answer.status, answer.json["error"]["code"]) == (status, code), path


def test_other_names_of_this_machine_and_pages_of_other_sites_are_refused(hummed):
    for headers, status in (
        ({"Host": "localhost:1"}, 200),
        ({"Host": "[::1]:8880"}, 200),
        ({"Host": "evil.example"}, 403),
        ({"Host": "[::1"}, 403),
        ({"Host": "localhost:1", "Origin": "http://localhost:1"}, 200),
        ({"Host": "localhost:1", "Origin": "http://evil.example"}, 403),
        ({"Host": "localhost:1", "Origin": "null"}, 403),
    ):
        assert hummed.ask("/v1/voices", headers=headers).status == status, headers


def test_a_length_told_in_two_ways_is_refused(hummed):
    headers = {"Content-Type": "application/json", "Transfer-Encoding": "chunked", "Content-Length": "5"}
    assert hummed.ask(SPEECH, b"0\r\n\r\n", headers).json["error"]["code"] == "serve.framing"


def test_a_token_is_asked_for(serve, hum):
    token = "t" * 32
    with serve(hum, Settings(token=token)) as server:
        assert server.ask("/v1/voices").status == server.ask("/metrics").status == 401
        refused = server.ask(SPEECH, {"input": "hi"}, {"Authorization": f"Bearer {token[:-1]}x"})
        assert refused.headers["www-authenticate"] == "Bearer" and refused.json["error"]["code"] == "serve.token"
        assert server.ask("/v1/voices", headers={"Authorization": f"Bearer {token}", "Host": "tts.example"}).status == 200
        assert server.ask("/v1/voices", headers={"Host": "x/healthz?"}).status == 401
        assert server.ask("/healthz").status == 200 and not hum.calls


def test_beyond_this_machine_only_with_a_token(tmp_path):
    assert Settings(host="::1").port == 8880 and Settings(host="0.0.0.0", token="t" * 32)
    for settings in ({"host": "0.0.0.0"}, {"host": "tts.example"}, {"wyoming": ("0.0.0.0", 1), "token": "t" * 32}):
        with pytest.raises(NotPermittedError):
            Settings(**settings)
        assert Settings(**settings, insecure=True)
    file = tmp_path / "token"
    file.write_text("a" * 40 + "\n")
    file.chmod(0o600)
    assert read_token(file) == "a" * 40
    file.chmod(0o644)
    with pytest.raises(NotPermittedError, match="chmod"):
        read_token(file)
    file.write_text("short")
    file.chmod(0o600)
    with pytest.raises(DataError, match="32"):
        read_token(file)
    taken = bound("127.0.0.1", 0)
    with pytest.raises(UnavailableError, match="listen"):
        bound("127.0.0.1", taken.getsockname()[1])
    taken.close()


def send(port, body):
    """A request whose answer is left in the socket."""
    client = socket.create_connection(("127.0.0.1", port), timeout=20)
    data = json.dumps(body).encode()
    head = f"POST {SPEECH} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n"
    client.sendall(head.encode() + data)
    return client


def test_what_is_too_much_is_refused_at_once(serve, hum):
    with serve(hum, engine=Engine(queue=3)) as server, ThreadPoolExecutor(8) as pool:
        waiting = [pool.submit(server.ask, SPEECH, {"input": "hold", "response_format": "wav"}) for _ in range(3)]
        until(lambda: server.engine.waiting == 3)
        refused = [server.ask(SPEECH, {"input": "hi"}) for _ in range(20)]
        assert {answer.status for answer in refused} == {429} and server.ask("/readyz").status == 503
        assert int(refused[0].headers["retry-after"]) >= 1 and refused[0].json["error"]["code"] == "serve.busy"
        hum.gate.release(3)
        assert [len(answer.result().body) > RATE for answer in waiting] == [True] * 3
        assert server.ask(SPEECH, {"input": "hi"}).status == 200
        told = server.ask("/metrics").body.decode()
        assert 'tts_requests_total{path="/v1/audio/speech",code="429"} 20' in told and "tts_queue 0" in told


def test_one_other_machine_does_not_take_all_the_room(serve, hum, monkeypatch):
    monkeypatch.setattr("tts.serve.app.is_loopback", lambda host: False)
    monkeypatch.setattr("tts.serve.app.LIMITS", replace(LIMITS, serve_per_client=1))
    with serve(hum) as server, ThreadPoolExecutor(1) as pool:
        first = pool.submit(server.ask, SPEECH, {"input": "hold"})
        until(hum.held.is_set)
        refused = server.ask(SPEECH, {"input": "hi"})
        assert refused.status == 429 and "this address" in refused.json["error"]["message"]
        hum.gate.release()
        assert first.result().status == 200
        until(lambda: server.ask(SPEECH, {"input": "hi"}).status == 200)


def test_work_for_a_client_who_has_gone_ends(serve, hum):
    with serve(hum) as server:
        client = send(server.port, {"input": "a hold " + "b " * 5000, "response_format": "wav"})
        assert client.recv(12)[-3:] == b"200"
        until(hum.held.is_set)
        client.close()
        until(lambda: server.engine.open == 0)
        hum.gate.release()
        until(hum.closed.is_set)
        assert server.engine.cancelled == 1 and len(hum.said) <= 3
        waiting = send(server.port, {"input": "hold"})  # gone while it waits
        until(lambda: server.engine.waiting == 1)
        waiting.close()
        until(lambda: server.engine.waiting == 0)
        hum.gate.release()


def test_a_client_who_does_not_read_costs_its_buffers_and_is_cut_off(serve, hum, monkeypatch):
    monkeypatch.setattr("tts.serve.app.LIMITS", replace(LIMITS, serve_stall_seconds=0.5))
    with serve(hum) as server:
        client = send(server.port, {"input": "a " * 1500, "response_format": "wav"})
        until(lambda: server.ask("/metrics").body.count(b"tts_slow_clients_total 1"))
        until(hum.closed.is_set)
        assert len(hum.said) < 500 and server.engine.open == 0
        client.close()


def test_an_error_on_the_way_leaves_the_answer_without_its_end(serve, hum):
    with serve(hum) as server:
        client = send(server.port, {"input": "one fail", "response_format": "wav"})
        answer = client.makefile("rb").read()
        assert b" 200 " in answer[:20] and len(answer) > 2 * RATE and not answer.endswith(b"0\r\n\r\n")
        failed = server.ask(SPEECH, {"input": "fail"})
        assert failed.status == 500 and failed.json["error"]["code"] == "internal"
        assert server.ask(SPEECH, {"input": "hi"}).status == 200


def test_stopping_finishes_what_is_spoken_and_sends_away_what_waits(serve, hum):
    with serve(hum) as server, ThreadPoolExecutor(2) as pool:
        spoken = pool.submit(server.ask, SPEECH, {"input": "a hold b", "response_format": "wav"})
        until(hum.held.is_set)
        waiting = pool.submit(server.ask, SPEECH, {"input": "never"})
        until(lambda: server.engine.waiting == 1)
        server.server.should_exit = True
        sent_away = waiting.result()
        assert sent_away.status == 503 and sent_away.json["error"]["code"] == "serve.draining"
        hum.gate.release()
        assert len(read_audio(spoken.result().body)) == 3 * RATE
        server.thread.join(20)
        assert not server.thread.is_alive() and "never" not in hum.said


def test_a_second_signal_stops_at_once(serve, hum):
    with serve(hum) as server:
        client = send(server.port, {"input": "a hold b", "response_format": "wav"})
        until(hum.held.is_set)
        server.server.handle_exit(signal.SIGTERM, None)
        until(lambda: server.engine.draining)
        server.server.handle_exit(signal.SIGTERM, None)
        with suppress(ConnectionError):
            assert not client.makefile("rb").read().endswith(b"0\r\n\r\n")
        until(lambda: server.engine.open == 0)
        hum.gate.release()
        server.thread.join(20)
        assert not server.thread.is_alive() and "b" not in hum.said


def test_heads_that_do_not_come_and_connections_beyond_the_limit_are_closed(serve, hum, monkeypatch):
    monkeypatch.setattr("tts.serve.server.LIMITS", replace(LIMITS, serve_head_seconds=0.3, serve_connections=4))
    with serve(hum) as server:
        idle = [socket.create_connection(("127.0.0.1", server.port), timeout=20) for _ in range(4)]
        idle[0].sendall(b"GET / HTTP/1.1\r\nX: ")
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as fifth, pytest.raises(ConnectionError):
            assert fifth.recv(1) == b""
            raise ConnectionError
        for client in idle:
            with pytest.raises(ConnectionError):
                assert client.recv(1) == b""
                raise ConnectionError
            client.close()
        assert server.ask("/healthz").status == 200


def test_metrics_are_prometheus_text(hummed):
    hummed.ask(SPEECH, {"input": "hi"})
    answer = hummed.ask("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    lines = answer.body.decode().splitlines()
    values = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    assert all(float(value) >= 0 for value in values.values()) and len(values) == len([x for x in lines if x[0] != "#"])
    assert float(values["process_resident_memory_bytes"]) > 1e6
    assert values['tts_first_byte_seconds_bucket{le="+Inf"}'] == values["tts_first_byte_seconds_count"] != "0"
    named = {line.split()[2] for line in lines if line.startswith("# TYPE")}
    assert all(any(name.startswith(each) for each in named) for name in values)
    assert threading.active_count() < 50
