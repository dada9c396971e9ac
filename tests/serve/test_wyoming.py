"""Home Assistant's protocol: what it asks, and what nobody should send."""

import asyncio
import json

import numpy as np

from tests.serve.conftest import RATE, Hum, tone
from tts.base.limits import LIMITS
from tts.serve.engine import Engine
from tts.serve.server import bound
from tts.serve.service import Service
from tts.serve.wyoming import Wyoming, read_event


def talk(*sent, hum=None, engine=None):
    """Events that come back for the bytes that are sent: (type, data, payload)."""

    async def whole():
        made = bound("127.0.0.1", 0)
        service = Service(hum or Hum(), engine or Engine())
        service.engine.start()
        server = await Wyoming(service).listen(made)
        reader, writer = await asyncio.open_connection(*made.getsockname())
        for data in sent:
            writer.write(data)
        writer.write_eof()
        found = []
        while line := await reader.readline():
            head = json.loads(line)
            data = json.loads(await reader.readexactly(head["data_length"]))
            found.append((head["type"], data, await reader.readexactly(head["payload_length"])))
        writer.close()
        server.close()
        service.engine.close()
        return found

    return asyncio.run(asyncio.wait_for(whole(), 20))


def event(kind, data=None, **more):
    return json.dumps({"type": kind, "data": data or {}, **more}).encode() + b"\n"


def test_voices_are_described():
    [(kind, info, _)] = talk(event("describe"))
    [program] = info["tts"]
    assert kind == "info" and program["installed"] and program["supports_synthesize_streaming"] is False
    assert {voice["name"]: voice["languages"] for voice in program["voices"]} == {"kathleen": ["en-US"], "kerstin": ["de"]}
    assert all(voice["attribution"].keys() == {"name", "url"} for voice in program["voices"])


def test_a_text_is_spoken_as_it_is_made_and_the_connection_stays():
    hum, data = Hum(), json.dumps({"text": "one two", "voice": {"name": "kerstin"}}).encode()
    found = talk(event("synthesize", data_length=len(data)) + data, event("ping", {"text": "x"}), hum=hum)
    kinds = [kind for kind, _, _ in found]
    assert kinds[0] == "audio-start" and kinds[-2:] == ["audio-stop", "pong"] and set(kinds[1:-2]) == {"audio-chunk"}
    assert found[0][1] == {"rate": RATE, "width": 2, "channels": 1}
    sound = np.frombuffer(b"".join(payload for _, _, payload in found), "<i2") / 32768
    assert np.abs(sound - np.concatenate([tone(0), tone(1)])).max() < 1e-4
    assert hum.calls[0]["voice"] == "kerstin" and hum.calls[0]["language"] == "de"
    hum = Hum()
    talk(event("synthesize", {"text": "one", "voice": {"language": "fr"}}), hum=hum)
    assert hum.calls[0]["voice"] is None and hum.calls[0]["language"] == "fr"


def test_wrong_requests_are_told_and_the_next_one_is_answered():
    hum = Hum()
    bad = {
        "request.type": [{}, {"text": 3}, {"text": "a", "voice": "x"}, {"text": "a", "voice": {"language": ["de"]}}],
        "request.text": [{"text": ""}],
        "request.text_format": [{"text": "<speak/>", "text_format": "ssml"}],
        "request.text_size": [{"text": "a" * (LIMITS.serve_text_chars + 1)}],
        "voice.unknown": [{"text": "a", "voice": {"name": "../x"}}],
        "language.unknown": [{"text": "a", "voice": {"language": "../x"}}],
    }
    packed = [json.dumps(data).encode() for requests in bad.values() for data in requests]
    sent = [event("synthesize", data_length=len(data)) + data for data in packed]
    found = talk(*sent, event("unknown"), event("ping"), hum=hum)
    codes = [code for code, requests in bad.items() for _ in requests]
    assert [data.get("code") for _, data, _ in found] == [*codes, None] and found[-1][0] == "pong" and not hum.calls


def test_what_is_no_event_ends_the_connection():
    for data in (b"hello\n", b"[]\n", b'{"type": 3}\n', event("ping", data_length=-1), event("ping", payload_length=10**9),
                 event("ping", data_length=True), b'{"type": "' + b"a" * LIMITS.serve_head_bytes + b'"}\n'):  # fmt: skip
        found = talk(data, event("ping"))
        assert [kind for kind, _, _ in found] == ["error"], data[:40]


def test_an_event_that_is_cut_off_is_none():
    async def whole(data):
        reader = asyncio.StreamReader(limit=LIMITS.serve_head_bytes)
        reader.feed_data(data)
        reader.feed_eof()
        try:
            return await read_event(reader)
        except asyncio.IncompleteReadError:
            return "cut"

    assert asyncio.run(whole(b"")) is None and asyncio.run(whole(event("ping", {"text": "x"}))) == ("ping", {"text": "x"})
    assert asyncio.run(whole(event("ping", data_length=20) + b"{}")) == "cut"
