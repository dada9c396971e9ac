"""The site is built without a network, has no broken link, and asks no other host for anything."""

import importlib
import inspect
import logging
from html.parser import HTMLParser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("tts", "codec", "frontend", "vocoder")


def build(folder: Path, **changes):
    from mkdocs.commands.build import build
    from mkdocs.config import load_config

    build(load_config(str(ROOT / "mkdocs.yml"), site_dir=str(folder), **changes))
    return folder


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Building is strict: a link to nowhere, or a page that is not in the menu, ends it."""
    return build(tmp_path_factory.mktemp("site"))


def test_nothing_is_loaded_from_elsewhere(site):
    asked = []

    class Parser(HTMLParser):
        def handle_starttag(self, tag, attributes):
            asked.extend(value for name, value in attributes if value and (name == "src" or (tag == "link" and name == "href")))

    for page in site.rglob("*.html"):
        Parser().feed(page.read_text(encoding="utf-8"))
    assert len(asked) > 100 and not [address for address in asked if "//" in address]
    assert not [path for path in site.rglob("*.css") if "url(http" in path.read_text(encoding="utf-8")]


def test_a_broken_link_would_be_seen(tmp_path, caplog):
    from mkdocs.exceptions import Abort

    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/index.md").write_text("See [that](nowhere.md).")
    with pytest.raises(Abort), caplog.at_level(logging.WARNING):
        build(tmp_path / "site", docs_dir=str(tmp_path / "docs"), nav=None, hooks=[], exclude_docs="", not_in_nav="")
    assert "nowhere.md" in caplog.text


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_says_what_it_is(package):
    silent, module = [], importlib.import_module(package)
    for name in module.__all__:
        told = {name: getattr(module, name)}
        if inspect.isclass(told[name]):
            for key, value in vars(told[name]).items():
                if not key.startswith("_"):
                    told[f"{name}.{key}"] = getattr(value, "fget", None) or getattr(value, "__func__", value)
        for key, value in told.items():
            made = (value.__doc__ or f"{name}(").startswith(f"{name}(")  # nothing, or what a dataclass says of itself
            silent += [key] if made and (inspect.isclass(value) or inspect.isfunction(value)) else []
    assert silent == []


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_has_its_place_in_the_reference(site, package):
    page = (site / f"api/{package}.html").read_text(encoding="utf-8")
    names = importlib.import_module(package).__all__
    assert [name for name in names if f'<h2 id="{package}.{name}">{name}<' not in page] == []


def test_pages_whose_owner_is_elsewhere_are_in_the_site_and_link_back(site):
    assert "Results of the house models" in (site / "results.html").read_text(encoding="utf-8")
    home, kernels = ((site / name).read_text(encoding="utf-8") for name in ("index.html", "kernels.html"))
    assert 'href="results.html"' in home and 'href="kernels/rvq_search.html"' in kernels
