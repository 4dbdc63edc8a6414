"""A secret is found in what others have written, however it is escaped, and nothing else is touched."""

import html
import json
import time
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coincrawl.masking import masked

SECRET = "CG-a/secret+key-of?the&tests"
ODD_SECRET = "a/\"\\é🚀&%'<-key"


def as_json(text: str, *, ascii_only: bool = True) -> str:
    return json.dumps(text, ensure_ascii=ascii_only)[1:-1]


def units(text: str) -> str:
    """Each character as JSON's `\\u0043`."""
    code = text.encode("utf-16-be").hex()
    return "".join(f"\\u{code[start : start + 4]}" for start in range(0, len(code), 4))


FORMS = {
    "as it is": SECRET,
    "with its slash escaped": SECRET.replace("/", "\\/"),
    "in hex": units(SECRET),
    "in capital hex": units(SECRET).upper().replace("\\U", "\\u"),
    "partly in hex": units(SECRET[:1]) + SECRET[1:],
    "in a URL": quote(SECRET, safe=""),
    "in a URL with small hex": quote(SECRET, safe="").lower().replace("cg", "CG"),
    "in HTML": html.escape(SECRET),
    "in HTML as numbers": "".join(f"&#{ord(character)};" for character in SECRET),
    "in HTML as hex": "".join(f"&#x{ord(character):04X};" for character in SECRET),
    "in HTML with its & in hex": html.escape(SECRET).replace("&", "\\u0026"),
    "in HTML without semicolons": "".join(f"&#{ord(character)}" for character in SECRET),
    "in JavaScript": "".join(f"\\\\x{ord(character):02x}" for character in SECRET),
    "in HTML by name": SECRET.replace("&", "&AMP;")
    .replace("/", "&sol;")
    .replace("+", "&plus;")
    .replace("?", "&quest;"),
    "in HTML twice": html.escape("".join(f"&#{ord(character)};" for character in SECRET)),
    "in a URL twice": quote(quote(SECRET, safe=""), safe=""),
    "in a URL three times": quote(quote(quote(SECRET, safe=""), safe=""), safe=""),
    "in a URL with its % in hex": quote(SECRET, safe="").replace("%", "\\u0025"),
}


@pytest.mark.parametrize("depth", range(4))
@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_a_secret_is_masked_in_every_form_and_as_a_name_too(form: str, depth: int) -> None:
    """`depth`: how many times JSON has been written into JSON."""
    for _ in range(depth):
        form = as_json(form)

    [row] = json.loads(masked(f'[{{"x{form}x": "{form}", "y": "a\\\\{form}\\"\\u0041"}}]', SECRET))

    assert row["x***x"] == "***"
    assert row["y"].replace("\\", "") == 'a***"A'  # a backslash before it may have gone with it


@given(st.lists(st.integers(0, 5), min_size=len(ODD_SECRET), max_size=len(ODD_SECRET)), st.integers(0, 3))
def test_a_secret_is_masked_however_each_of_its_characters_is_written(ways: list[int], depth: int) -> None:
    text = "".join(map(written_as, ODD_SECRET, ways))
    for _ in range(depth):
        text = as_json(text)

    row = json.loads(masked(f'{{"{text}": "x{text}x\\\\"}}', ODD_SECRET))

    assert row == {"***": "x***x\\"}


def written_as(character: str, way: int) -> str:
    plain = as_json(character, ascii_only=False)
    return [
        plain,
        units(character),
        units(character).upper().replace("\\U", "\\u"),
        plain.replace("/", "\\/"),
        quote(character, safe=""),
        f"&#{ord(character)};",
    ][way]


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        '["CG-a", "/secret+key-of?the&tests"]',
        '["a\\\\nb\\u0043G-a\\/secret+key-of?the&test", "%43%47%2d &#67;&amp;"]',
        '{"CG-A/SECRET+KEY-OF?THE&TESTS": 1}',
    ],
    ids=["nothing", "apart", "without its end", "in capitals"],
)
def test_a_text_without_the_secret_is_not_changed(text: str) -> None:
    assert masked(text, SECRET) == text


@pytest.mark.parametrize("secret", ["", "coin", "bitcoin"])
def test_a_secret_too_short_for_a_key_is_not_masked_in_the_names_of_coins(secret: str) -> None:
    assert masked('[{"id": "bitcoin"}]', secret) == '[{"id": "bitcoin"}]'


@pytest.mark.parametrize(
    "piece", ["\\", "CG", "%43", "%25", "\\u0025", "&amp;", "\\u0043", "&#00", "&#67;&", "\\\\u0026#0"]
)
def test_no_text_takes_long(piece: str) -> None:
    text = piece * (1_000_000 // len(piece))
    begun = time.process_time()

    masked(text, SECRET)

    assert time.process_time() - begun < 2  # seconds; it takes less than a tenth of one
