"""The documents say what is there: every command parses, every flag and stage is named, figures are those of the code."""

import importlib
import re
import shlex
from pathlib import Path

import click
import pytest

ROOT = Path(__file__).parents[2]
PATHS = [*sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
PAGES = {path.name: path.read_text(encoding="utf-8") for path in PATHS}
OPERATORS = {"|", "&&", ";"}


def commands(page: str) -> list[list[str]]:
    """The simple commands of a page's bash blocks, as words."""
    found = []
    blocks = re.findall(r"^```bash\n(.*?)^```", PAGES[page], re.MULTILINE | re.DOTALL)
    for line in re.sub(r"\\\n| > \S+", " ", "\n".join(blocks)).split("\n"):
        lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;")
        lexer.commenters, lexer.whitespace_split = "#", True
        words: list[str] = []
        for word in [*lexer, ";"]:
            if word not in OPERATORS:
                if words or not re.fullmatch(r"[A-Z_]+=\S*", word):  # a variable for one command
                    words.append(word)
            elif words:
                found.append(words)
                words = []
    return found


def parse(command: click.Command, name: str, arguments: list[str]) -> None:
    """Fail as the command line would: unknown command or option, value out of range."""
    if isinstance(command, click.Group):
        arguments = getattr(command, "with_default", list)(arguments)
        inner = command.get_command(click.Context(command), arguments[0])
        assert inner is not None, f"{name} has no command {arguments[0]}"
        parse(inner, f"{name} {arguments[0]}", arguments[1:])
    else:
        command.make_context(name, list(arguments))


def recipe_options() -> set[str]:
    scripts = [*ROOT.glob("egs/TEMPLATE/*/*.sh"), ROOT / "egs/house/adapt1/held_out.sh"]
    head = "\n".join(path.read_text().split("help_message=")[0] for path in scripts if "help_message=" in path.read_text())
    return {name.replace("_", "-") for name in re.findall(r"^([a-z_]+)=", head, re.MULTILINE)}


@pytest.mark.parametrize("page", PAGES)
def test_every_command_parses(page):
    from recipes.__main__ import cli as recipes
    from tts.cli import cli as tts

    for words in commands(page):
        if words[0].split("/")[-1] == "tts":
            parse(tts, "tts", words[1:])
        elif words[:3] == ["python", "-m", "recipes"]:
            parse(recipes, "recipes", words[3:])
        elif words[0] in ("./run.sh", "./held_out.sh"):
            given = {word[2:].split("=")[0].replace("_", "-") for word in words if word.startswith("--")}
            assert given <= recipe_options(), words
        else:
            known = ("cd", "chmod", "curl", "echo", "printf", "aplay", "arecord", "python3", "pip", "python", "ruff", "mkdocs")
            assert words[0].split("/")[-1] in known, words


def test_a_wrong_flag_would_be_seen():
    from tts.cli import cli

    with pytest.raises(click.NoSuchOption):
        parse(cli, "tts", ["synth", "--no-such-flag", "x"])


def test_the_command_line_page_names_every_command_and_flag_and_no_other():
    from tts.cli import COMMANDS

    sections = dict(re.findall(r"^## tts ([\w-]+)\n(.*?)(?=^## )", PAGES["cli.md"], re.MULTILINE | re.DOTALL))
    assert list(sections) == list(COMMANDS)
    for name, section in sections.items():
        rows = re.findall(r"^\| (`-.*?) \| ", section, re.MULTILINE)
        told = {flag for row in rows for flag in re.findall(r"(?<![\w-])--?[a-z][a-z-]*", row)}
        command = importlib.import_module(f"tts.cli.{name.replace('-', '_')}").command
        group = isinstance(command, click.Group)
        ends = [command.get_command(click.Context(command), part) for part in command.listing] if group else [command]
        assert not group or re.findall(rf"^### tts {name} (\w+)$", section, re.MULTILINE) == list(command.listing)
        assert told == {flag for end in ends for p in end.params if isinstance(p, click.Option) for flag in p.opts}, name


def test_the_exit_codes_are_those_of_the_code():
    from tts.cli.limits import exit_codes

    rows = re.findall(r"^\| (\d+) \| (\w*) ?\| (.*?) \|$", PAGES["cli.md"], re.MULTILINE)
    assert [(int(code), kind or None, text) for code, kind, text in rows] == [
        (row["exit_code"], row["kind"], row["meaning"]) for row in exit_codes()
    ]


def test_every_stage_is_named():
    from recipes.__main__ import STAGES
    from recipes.corpora import KINDS

    missing = [name for name in (*STAGES, *KINDS) if not re.search(rf"`{name}[` ]", PAGES["recipes.md"])]
    assert not missing


def test_the_waiting_times_are_those_of_the_codec():
    from codec import Codec
    from codec.model import CodecConfig, CodecModel
    from vocoder.fourier import VocoderConfig

    codec, page = Codec.load(), PAGES["codec.md"]
    encoder, decoder = codec.model.encoder_reach[1], codec.model.decoder_reach[1]
    assert f"| house codec | {encoder} frames | {decoder} frames | {(encoder + decoder) / codec.frame_rate:.2f} s |" in page
    assert "after {:.2f} s of sound and its\nfirst samples after {:.2f} s of codes".format(*codec.latency(8)) in page
    causal = CodecModel(CodecConfig(causal=True, vocoder=VocoderConfig(causal=True, n_projections=0)))
    waits = causal.encoder_reach[1], causal.decoder_reach[1]
    assert "| `causal` | {} frames (the mel's window, then the group) | {} frames".format(*waits) in page


def test_the_sizes_are_those_of_the_models():
    from dataclasses import replace

    from frontend import inventory
    from recipes.train.txt2vec import TEXT_BLOCKS
    from tts.aligner import AlignerConfig, AlignerModel
    from tts.models.flow import Flow, FlowConfig
    from tts.models.fs2 import Fs2, Fs2Config
    from tts.models.infill import Infill, InfillConfig
    from tts.models.text import TextConfig
    from tts.models.txt2vec import Txt2vec, Txt2vecConfig
    from tts.models.units import LayersConfig
    from tts.models.variance import VarianceConfig
    from tts.models.vec2mel import Vec2mel, Vec2melConfig
    from tts.models.vec2wav import Vec2wav, Vec2wavConfig
    from vocoder.fourier import FourierVocoder

    text = TextConfig(n_symbols=inventory.size(), languages=(1, 2, 3, 4, 5))
    layers = LayersConfig(text.languages)
    variance = VarianceConfig(text=text, n_speakers=271)
    models = {
        "aligner": AlignerModel(AlignerConfig(n_symbols=inventory.size())),
        "fs2": Fs2(Fs2Config(variance=variance)),
        "flow": Flow(FlowConfig(prior=Fs2Config(variance=variance))),
        "infill": Infill(InfillConfig(variance)),
        "vocoder": FourierVocoder(),
        "txt2vec": Txt2vec(Txt2vecConfig(replace(text, n_blocks=TEXT_BLOCKS))),
        "vec2mel": Vec2mel(Vec2melConfig(layers=layers)),
        "vec2wav": Vec2wav(Vec2wavConfig(layers=layers)),
    }
    told = dict(re.findall(r"^\| (\w+) \| `.*?` \| ([\d.]+) M \|", PAGES["models.md"], re.MULTILINE))
    counted = {name: f"{sum(p.numel() for p in model.parameters()) / 1e6:.2f}" for name, model in models.items()}
    assert told == counted
    assert f"{models['vocoder'].config.receptive_field} in the house\nvocoder" in PAGES["architecture.md"]
    assert f"{inventory.size()} symbols" in PAGES["frontend.md"] and f"{inventory.size()} symbols" in PAGES["models.md"]


@pytest.mark.parametrize("page", PAGES)
def test_files_exist(page):
    """Links are checked where the site is built."""
    for name in re.findall(r"`((?:tts|frontend|vocoder|codec|recipes|tests|egs)/[\w./-]+\.(?:py|tsv|sh))`", PAGES[page]):
        assert (ROOT / name).is_file() or Path(name).stem in ("xx", "NAME", "TAG", "test_NAME"), name
