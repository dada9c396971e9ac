"""Sentences where a reader ends them, clauses under the limit, and no character cut or lost."""

import time
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from frontend.clean import clean
from frontend.markup import parse
from frontend.split import grapheme_cut, split


def sentences(text: str, language: str = "en-us", limit: int = 300) -> list[str]:
    return [piece.text.chars for piece in split(parse(clean(text)[0], text).text, language, limit) if len(piece.text)]


@pytest.mark.parametrize(
    ("language", "text", "count"),
    [
        ("en-us", "Hello. How are you? Fine!", 3),
        ("en-us", "Dr. Smith met Mr. Jones at 5 p.m. They talked.", 2),
        ("en-us", "J. R. R. Tolkien wrote it. So it was I. Then he left.", 3),
        ("en-us", "Pi is 3.14. It costs $3.50. See www.example.com. Done.", 4),
        ("en-us", "Wait... what? No... Yes.", 3),
        ("en-us", "\"Stop!\" he said. (Really.) 'Yes.' She went.", 4),
        ("en-us", "The U.S. Army came, e.g. the First. It left.", 2),
        ("en-us", "He lives in St. Paul, No. 5. No. He does not.", 3),
        ("de", "Am 3. Mai kam Hr. Dr. Meyer, z.B. aus Köln. Er ging.", 2),
        ("de", "Im 19. Jahrhundert. Am 24. Dezember ist Schluss. Er wurde 3. Danach kam Max.", 4),
        ("de", "Ludwig XIV. lebte dort, d.h. in Paris usw. bis 1715.", 1),
        ("de", "Vom 1.-3. Mai, in der 7.-9. Woche, Mo.-Fr. 9-17 Uhr.", 1),
        ("de", "Er zahlt 3 Mio. Euro. Und 5 Mrd. Dollar. Er hat 3 Mio. Das ist viel.", 4),
        ("de", "Er wohnt in der Goethestr. 5. Sie wohnt in der Goethestr. Dann ging er.", 3),
        ("de", "Er lebte 300 n. Chr. in Rom. Die Müller & Co. KG und die Fa. Müller. Herr Dipl.-Ing. Klein.", 3),
        ("de", "Es war im XX. Jahrhundert. Der II. Weltkrieg begann. Ludwig XIV. Er starb.", 4),
        ("de", "Ein 4. Versuch gelang. Zu seinem 50. Geburtstag kam sie. Mit 3. Das war's. Er ging.", 5),
        ("en-us", "See p. 12 and pp. 3. Take vitamin C. The doctor left. It was plan B. Then he left the U.S. He came.", 6),
        ("fr", "C'est J.-P. Dupont. La vitamine C. Le docteur et J. Le Clézio. En 50 av. J.-C. Ils vivaient.", 5),
        ("nl", "Zie p. 12. Dat is hr. Jansen. Het is vitamine C. De dokter ging.", 4),
        ("nl", "Dhr. De Vries woont o.a. in Gent. Prof. Peeters niet.", 2),
        ("fr", "M. Dupont et Mme. Martin arrivent, p. ex. à Paris. Ils partent.", 2),
        ("es", "El Sr. García vive en la Avda. Mayor. ¿Dónde? ¡Aquí!", 3),
        ("cmn", "今天天气好。我们去吧！好吗？好", 4),
        ("cmn", "他说：“你好。”然后走了。", 2),
        ("ja", "今日は。明日は？", 2),
        ("hi", "यह है। वह है।", 2),
        ("ar", "كيف حالك؟ أنا بخير.", 2),
        ("en-us", "Apples\nPears\nPlums", 3),
        ("en-us", "This is a line of a text that someone has wrapped by hand\nin the middle of a sentence.", 1),
        ("en-us", "One paragraph\n\nAnother", 2),
        ("en-us", "One [pause:1s] two", 2),
        ("en-us", "no marks at all", 1),
    ],
)
def test_sentences(language, text, count):
    assert len(sentences(text, language)) == count, sentences(text, language)


def test_paragraphs_and_pauses_are_marked():
    text = "One.\n\nTwo. [pause:2s] Three."
    marked = parse(clean(text)[0], text)
    pieces = split(marked.text, "en-us", 300)
    assert [piece.paragraph_end for piece in pieces] == [True, False, False]
    assert [marked.pauses.get(piece.pause_at) for piece in pieces] == [None, 2.0, None]


def test_a_long_sentence_is_cut_at_clause_marks():
    parts = sentences("This is the first part of it, " * 10, limit=100)
    assert all(len(part) <= 100 and part.endswith("it,") for part in parts)


def test_then_at_spaces_then_between_letters():
    assert all(part.endswith("word") for part in sentences("word " * 100, limit=48))
    assert {len(part) for part in sentences("x" * 100, limit=40)} == {40, 20}
    assert sum(map(len, sentences("x" * 100, limit=40))) == 100


def test_chinese_without_marks_is_cut_under_the_limit_and_nothing_is_lost():
    text = "今天天气很好我们去公园" * 200
    parts = sentences(text, "cmn", 120)
    assert "".join(parts) == text and max(map(len, parts)) <= 120


@settings(max_examples=300, deadline=None)
@given(st.text("ab .,!?\"'。，e\u0301नि्\u200d각\n-–1(", max_size=120), st.integers(5, 40))
def test_no_letter_is_lost_and_no_mark_is_parted_from_its_base(text, limit):
    cleaned = clean(text)[0]
    parts = split(cleaned, "en-us", limit)
    squeeze = "".join(cleaned.chars.split())
    assert "".join("".join(piece.text.chars.split()) for piece in parts) == squeeze
    for piece in parts:
        assert len(piece.text) <= limit
        first = int(piece.text.starts[0])
        if unicodedata.category(text[first])[0] == "M" and first and len(piece.text) < limit:
            before = text[first - 1]
            assert before.isspace() or unicodedata.category(before)[0] in "PZ" or not before.isalpha()


def test_grapheme_cut_keeps_marks_with_their_letter():
    assert grapheme_cut("ab\u0301cd", 2) == 1
    assert grapheme_cut("abcd", 2) == 2
    assert grapheme_cut("\u0301" * 50, 10) == 10  # marks alone: the limit holds


@pytest.mark.parametrize(
    "unit", [".", "a.", "! ", "\n", "(", "[", '"', "a", "a ", "。", "Dr. ", "1.", ", ", "[[", "[fr]", "…", " \n"]
)
def test_time_grows_with_the_length_only(unit):
    def seconds(n: int) -> float:
        text = (unit * n)[:n]
        began = time.perf_counter()
        sentences(text, "de")
        return time.perf_counter() - began

    seconds(1000)
    small, large = min(seconds(10_000) for _ in range(3)), min(seconds(40_000) for _ in range(2))
    assert large < 12 * small + 0.05, (small, large)
