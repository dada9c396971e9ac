"""JSON that two readers could understand differently is refused."""

import pytest

from tts.base import strict_json
from tts.base.errors import DataError, NoInputError, ResourceError, TtsError
from tts.base.limits import LIMITS


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('{"a":1,"a":1}', "json.duplicate_key"),
        ('{"a":{"b":1,"b":2}}', "json.duplicate_key"),
        ("[NaN]", "json.not_finite"),
        ("[-Infinity]", "json.not_finite"),
        ("[" * 40 + "]" * 40, "json.depth"),
        ('{"a":' * 100_000, "json.depth"),
        (b'"\xff"', "json.utf8"),
        ('{"a":1', "json.syntax"),
        ("", "json.syntax"),
        ("[1" + "0" * 5000 + "]", "json.syntax"),
        ('"' * 100_001, "json.syntax"),
    ],
)
def test_refused_with_its_reason(text, code):
    with pytest.raises(DataError) as caught:
        strict_json.loads(text, "x.json")
    assert caught.value.code == code and caught.value.where == "x.json"


def test_brackets_in_strings_are_not_depth():
    value = {"a": "[" * 1000 + '\\"[' * 10, "b": [1.5, None, "é"]}
    assert strict_json.loads(strict_json.dumps(value)) == value
    nested = "[" * LIMITS.json_depth + "]" * LIMITS.json_depth
    strict_json.loads(nested)


def test_size_missing_file_and_unwritable_values(tmp_path):
    with pytest.raises(ResourceError):
        strict_json.loads(b" " * (LIMITS.json_bytes + 1))
    with pytest.raises(NoInputError):
        strict_json.load(tmp_path / "none.json")
    with pytest.raises(TtsError):
        strict_json.dumps(float("nan"))


def test_half_a_character_is_written_as_an_escape():
    assert strict_json.dumps({"é": "\udce9"}, None) == '{"\\u00e9": "\\udce9"}'
    assert strict_json.loads(strict_json.dumps(["\udce9"])) == ["\udce9"]
    assert strict_json.dumps(["é"], None) == '["é"]'
