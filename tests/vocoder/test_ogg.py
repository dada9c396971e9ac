"""Comments of Ogg Opus files: added without touching the sound, read again, damage is an error."""

import io

import numpy as np
import pytest

from tts.base.errors import DataError
from vocoder.audio.io import encode_audio, read_audio, write_audio
from vocoder.audio.ogg import add_comments, chapter_comments, read_comments

SOUND = (0.1 * np.sin(np.arange(24_000) / 9)).astype(np.float32)


@pytest.fixture(scope="module")
def plain():
    return encode_audio(SOUND, 24_000, "opus", note=lambda facts: "a note")


@pytest.mark.parametrize("count", [2, 999])
def test_chapters_are_read_again_and_the_sound_stays(plain, count):
    """999 chapters with long titles take several pages."""
    rows = [("TITLE", "Ünder=Wege"), *chapter_comments((3599.9996 + 61.5 * i, f"{'x' * 70} {i}") for i in range(count))]
    target = io.BytesIO()
    add_comments(io.BytesIO(plain), target, rows)
    assert rows[1][1] == "01:00:00.000" and rows[3] == ("CHAPTER002", "01:01:01.500")
    assert read_comments(io.BytesIO(target.getvalue())) == [("COMMENT", "a note"), *rows]
    assert np.array_equal(read_audio(target.getvalue()), read_audio(plain))


def test_damage_is_an_error(plain):
    for broken in (plain[:-3], plain[:100] + b"\0" + plain[101:], b"RIFF" + plain[4:], b""):
        with pytest.raises(DataError):
            add_comments(io.BytesIO(broken), io.BytesIO(), [("TITLE", "x")])


@pytest.mark.parametrize("name", ["a.opus", "a.flac"])
def test_files_are_written_with_tags(tmp_path, name):
    soundfile = pytest.importorskip("soundfile")
    tags = {"TITLE": "Tür", "ARTIST": "A", "ALBUM": "B", "TRACKNUMBER": "3", "CHAPTER001": "00:00:00.000", "CHAPTER001NAME": "I"}
    write_audio(tmp_path / name, SOUND, 24_000, note=lambda facts: "a note".ljust(80), tags=tags)
    with soundfile.SoundFile(tmp_path / name) as file:
        assert (file.title, file.artist, file.album, file.tracknumber) == ("Tür", "A", "B", "3")
        assert file.comment.strip() == "a note" and file.frames == len(SOUND)
    if name == "a.opus":
        with open(tmp_path / name, "rb") as file:
            assert {*tags.items()} <= {*read_comments(file)}
