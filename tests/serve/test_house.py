"""The shipped models behind the server: a real client, the same bytes as without a server, the process and its end."""

import io
import os
import re
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from tests.serve.conftest import RATE, ask, serving
from tts.api import Synthesizer
from tts.provenance import VALID, verify
from tts.serve.engine import Engine
from vocoder.audio.io import encode_audio, read_audio
from vocoder.audio.wavfile import to_pcm16

TEXTS = {"Yes. No.": "kathleen", "Guten Tag.": "kerstin", "Good day.": "bdl"}
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def house():
    with serving(Synthesizer(), engine=Engine(workers=2)) as server:
        yield server


def test_openai_s_own_client_is_served(house, tmp_path, monkeypatch):
    openai = pytest.importorskip("openai")
    monkeypatch.chdir(tmp_path)
    (example,) = re.findall(r"^```python\n(.*?)^```", (ROOT / "docs/serve.md").read_text(), re.MULTILINE | re.DOTALL)
    exec(compile(example.replace(":8880", f":{house.port}"), "docs/serve.md", "exec"), {})
    assert len(read_audio("hello.mp3")) > RATE
    client = openai.OpenAI(base_url=f"http://127.0.0.1:{house.port}/v1", api_key="none", max_retries=0)
    assert [model.id for model in client.models.list()] == ["megatts"]
    asked = {"model": "tts-1", "voice": "alloy", "input": "Yes."}
    with client.audio.speech.with_streaming_response.create(**asked) as answer:
        answer.stream_to_file(tmp_path / "yes.mp3")
    sound = read_audio(tmp_path / "yes.mp3")
    assert 0.2 < len(sound) / RATE < 3 and np.abs(sound).max() > 0.05
    flac = client.audio.speech.create(**asked, response_format="flac", extra_body={"language": "en", "seed": 3}).content
    assert verify(flac).verdict == VALID
    with pytest.raises(openai.BadRequestError) as bad:
        client.audio.speech.create(**asked, speed=9)
    assert bad.value.code == "controls.speed" and "0.25 to 4.0" in bad.value.message
    with pytest.raises(openai.NotFoundError):
        client.audio.speech.create(**asked | {"voice": "../alloy"})


def test_speech_beside_other_requests_is_the_same_as_alone(house):
    alone = {text: to_pcm16(Synthesizer().synth(text, voice=voice).samples).tobytes() for text, voice in TEXTS.items()}
    with ThreadPoolExecutor(6) as pool:
        asked = [{"input": text, "voice": voice, "response_format": "pcm"} for text, voice in [*TEXTS.items()] * 2]
        for request, answer in zip(asked, pool.map(lambda body: house.ask("/v1/audio/speech", body), asked), strict=True):
            assert answer.body == alone[request["input"]], request["input"]


def test_a_text_that_cannot_be_spoken_is_a_bad_request(house):
    for text, code in (("\ud800", "text.nothing_to_speak"), ("☃☃", "text.nothing_to_speak"), (" ", "text.empty")):
        answer = house.ask("/v1/audio/speech", {"input": text})
        assert (answer.status, answer.json["error"]["code"]) == (400, code), text


def test_the_codec_goes_there_and_back(house):
    from codec import Codec

    recording = encode_audio(0.1 * np.sin(np.arange(RATE) / 20).astype(np.float32), RATE, "flac")
    tokens = house.ask("/v1/codec/encode?books=4", recording)
    whole = io.BytesIO()
    codec = Codec.load()
    codec.encode_file(recording, whole, 4)
    assert tokens.status == 200 and tokens.body == whole.getvalue()
    sound = house.ask("/v1/codec/decode?response_format=pcm", tokens.body)
    assert sound.body == to_pcm16(codec.decode(tokens.body)).tobytes()
    bad = {"encode": (b"no audio", "audio.format"), "decode": (b"no tokens", "tokens.header.magic"),
           "encode?books=99": (recording, "codec.books")}  # fmt: skip
    for path, (body, code) in bad.items():
        answer = house.ask(f"/v1/codec/{path}", body)
        assert (answer.status, answer.json["error"]["code"]) == (400, code), path


def test_the_process_stops_with_0_and_says_where_it_listens(tmp_path):
    token = tmp_path / "token"
    token.write_text("x" * 32)
    token.chmod(0o600)
    command = [sys.executable, "-m", "tts", "serve", "--port", "0", "--wyoming", "0", "--token-file", token]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    try:
        lines = [process.stderr.readline() for _ in range(2)]
        assert lines[0].startswith("tts serve: wyoming: tcp://127.0.0.1:") and "model megatts, 12 voices" in lines[1]
        port = int(re.search(r"http://127\.0\.0\.1:(\d+)", lines[1])[1])
        assert ask(port, "/v1/voices").status == 401
        assert ask(port, "/v1/voices", headers={"Authorization": f"Bearer {'x' * 32}"}).status == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0 and process.stderr.read() == ""
    finally:
        process.kill()
        process.stderr.close()
