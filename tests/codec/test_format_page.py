"""The page of the format is enough for a reader: the one on it reads the golden files, and its walk is the tiny file."""

import re
from pathlib import Path

import numpy as np

PAGE = (Path(__file__).parents[2] / "docs/token-format.md").read_text(encoding="utf-8")


def test_the_reader_of_the_page_reads_the_golden_files(golden):
    (source,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    names = {}
    exec(compile(source, "docs/token-format.md", "exec"), names)
    for data, expected, codes in golden.values():
        header, found = names["read"](data)
        assert np.array_equal(found, codes)
        assert header["metadata"] == expected.metadata and header["codec"] == expected.codec
        assert header["samples"] == codes.shape[1] * 320 or header["samples"] == expected.n_samples


def test_the_walk_through_the_tiny_file(golden):
    walk = re.findall(r"^    ([0-9a-f]{2})  ((?:(?:[0-9a-f]{2}|\.\.\.) )+)", PAGE, re.MULTILINE)
    found = b""
    for offset, digits in walk:
        assert int(offset, 16) == len(found)
        digits = digits.replace("...", "00 " * 18)
        found += bytes.fromhex(digits)
    assert found == golden["tiny"][0]
