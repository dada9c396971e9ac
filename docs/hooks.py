"""MkDocs' hooks: pages whose owner lies elsewhere in the repository, links to them, and the Python reference from docstrings."""

from __future__ import annotations

import ast
import importlib
import inspect
import posixpath
import re
import sys
from pathlib import Path

from mkdocs.structure.files import File
from pygments.formatters import HtmlFormatter

ROOT = Path(__file__).resolve().parents[1]
PLACES = {
    "index.md": "README.md",
    "results.md": "egs/house/RESULTS.md",
    "contributing.md": "CONTRIBUTING.md",
    "changes.md": "CHANGELOG.md",
    "attribution.md": "ATTRIBUTION.md",
    "notice.md": "NOTICE",
    **{f"kernels/{path.parent.name}.md": str(path.relative_to(ROOT)) for path in sorted(ROOT.glob("*/kernels/*/README.md"))},
    **{
        f"recipes/{path.parts[-3]}-{path.parts[-2]}.md": str(path.relative_to(ROOT))
        for path in sorted(ROOT.glob("egs/*/*/README.md"))
    },
}  # page of the site -> its file in the repository; all other pages lie in docs/
REFERENCE = {
    "tts": ("tts", "tts.dialogue", "tts.watermark", "tts.base.errors"),
    "codec": ("codec", "codec.quantize"),
    "frontend": ("frontend",),
    "vocoder": ("vocoder", "vocoder.audio.io"),
}  # page below api/ -> modules
SECTIONS = ("Args", "Attributes", "Returns", "Yields", "Raises")


def on_config(config):
    config.mdx_configs["toc"]["slugify"] = slug
    return config


def slug(heading: str, separator: str = "-") -> str:
    """The anchor of a heading, as code hosts make it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", separator)


def on_files(files, config):
    for page, place in PLACES.items():
        files.append(File.generated(config, page, abs_src_path=str(ROOT / place)))
    files.append(File.generated(config, "pygments.css", content=HtmlFormatter().get_style_defs(".highlight")))
    sys.path.insert(0, str(ROOT))
    for page, modules in REFERENCE.items():
        files.append(File.generated(config, f"api/{page}.md", content=reference(page, modules)))
    return files


def on_page_markdown(markdown, page, config, files):
    """Links lead to files of the repository; where such a file is a page of the site, to that page."""
    here = page.file.src_uri
    folder = posixpath.dirname(PLACES.get(here, f"docs/{here}"))
    pages = {place: name for name, place in PLACES.items()}

    def led(match: re.Match) -> str:
        path, anchor = match["path"], match["anchor"] or ""
        if not path or ":" in path:
            return match[0]
        place = posixpath.normpath(posixpath.join(folder, path))
        name = pages.get(place) or pages.get(f"{place}/README.md") or place.removeprefix("docs/")
        return f"]({posixpath.relpath(name, posixpath.dirname(here) or '.')}{anchor})"

    code_or_link = r"^```.*?^```|`[^`\n]*`|\]\((?P<path>[^)\s#]*)(?P<anchor>#[^)\s]*)?\)"
    return re.sub(code_or_link, lambda m: m[0] if m["path"] is None else led(m), markdown, flags=re.MULTILINE | re.DOTALL)


def on_page_content(html, page, config, files):
    """A bar in the code of a table's cell is written with a backslash, which is not part of the code."""
    return re.sub(r"<td.*?</td>", lambda cell: cell[0].replace(r"\|", "|"), html, flags=re.DOTALL)


def reference(title: str, modules: tuple[str, ...]) -> str:
    """The public names of modules, their signatures and docstrings, as Markdown."""
    parts, told = [f"# {title}"], []
    for module in map(importlib.import_module, modules):
        parts += [f"# {module.__name__}"] if module.__name__ != title else []
        parts.append(prose(module.__doc__))
        for name in public_names(module):
            if getattr(module, name) not in told:
                told.append(getattr(module, name))
                parts += described(f"{module.__name__}.{name}", name, told[-1])
    return "\n\n".join(parts) + "\n"


def public_names(module) -> list[str]:
    """Classes and functions of ``__all__``, else those that the module defines itself and has something to say of."""
    own = [name for name, value in vars(module).items() if getattr(value, "__module__", "") == module.__name__ and value.__doc__]
    listed = getattr(module, "__all__", None) or [name for name in own if not name.startswith("_")]
    values = {name: inspect.unwrap(getattr(module, name)) for name in listed}
    return [name for name, value in values.items() if inspect.isclass(value) or inspect.isfunction(value)]


def described(anchor: str, name: str, value) -> list[str]:
    """A class with its fields and methods, or a function."""
    head = f"## {name} {{#{anchor}}}"
    if not inspect.isclass(value):
        return [head, signature(name, value), prose(value.__doc__)]
    shown = [head, fields(value) or signature(name, value), prose(value.__doc__)]
    for key, member in vars(value).items():
        function = member.fget if isinstance(member, property) else getattr(member, "__func__", member)
        if not key.startswith("_") and inspect.isfunction(function):
            shown.append(f"### {name}.{key} {{#{anchor}.{key}}}")
            shown.append("" if isinstance(member, property) else signature(f"{name}.{key}", getattr(value, key)))
            shown.append(prose(function.__doc__))
    return shown


class Annotation(str):
    """Shown without quotes."""

    __repr__ = str.__str__


def signature(name: str, value) -> str:
    given = inspect.signature(value)
    parameters = [
        p if p.annotation is p.empty else p.replace(annotation=Annotation(inspect.formatannotation(p.annotation).strip("'")))
        for p in given.parameters.values()
        if p.name != "self"
    ]
    returned = given.return_annotation
    returned = returned if returned is given.empty else Annotation(inspect.formatannotation(returned).strip("'"))
    return f"```python\n{name}{given.replace(parameters=parameters, return_annotation=returned)}\n```"


def fields(value: type) -> str:
    """The annotated fields of a class as its source has them, comments included."""
    source = inspect.getsource(value)
    lines = source.splitlines()
    nodes = [node for node in ast.parse(source).body[0].body if isinstance(node, ast.AnnAssign)]
    rows = [line for node in nodes for line in lines[node.lineno - 1 : node.end_lineno]]
    return "\n".join(["```python", f"class {value.__name__}:", *rows, "```"]) if rows else ""


def prose(docstring: str | None) -> str:
    """A docstring as Markdown: sections become lists, examples become blocks, roles of Sphinx become code."""
    text = re.sub(r":\w+:`~?([^`]*)`", r"`\1`", inspect.cleandoc(docstring or ""))
    blocks = re.split(r"\n\s*\n", text)
    return "\n\n".join(section(block) for block in blocks)


def section(block: str) -> str:
    head, _, rest = block.partition("\n")
    if block.lstrip().startswith(">>>"):
        return f"```pycon\n{inspect.cleandoc(block)}\n```"
    if head.rstrip(":") not in SECTIONS or not head.endswith(":"):
        return block
    rest = inspect.cleandoc("\n" + rest)
    if head in ("Returns:", "Yields:"):
        return f"**{head[:-1]}**: {rest}"
    items = re.sub(r"\n +", " ", rest).split("\n")
    return f"**{head[:-1]}**\n\n" + "\n".join(re.sub(r"^([\w*., ]+): ", r"- `\1`: ", item) for item in items)
