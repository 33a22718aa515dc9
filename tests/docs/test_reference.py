"""The built reference leaves nothing out: no hook, component, field, command, option, public name or method card."""

from __future__ import annotations

import html
import inspect
import re
import shlex
from pathlib import Path

import click
import pytest
import yaml

import robustkit
from robustkit import Normalization, load_recipe
from robustkit.cli.main import cli
from robustkit.plugin import hookspecs
from robustkit.plugin.description import describe_component, describe_fields
from robustkit.plugin.manager import installed
from robustkit.plugin.registry import KINDS
from robustkit.recipe.builder import Builder
from robustkit.recipe.schema import Averaging, EvaluationRecipe, LearnerRecipe, Recipe

ROOT = Path(__file__).parents[2]
HOOKS = {name: item for name, item in vars(hookspecs).items() if hasattr(item, "robustkit_spec")}
LISTING = [(kind, name, found.cls) for kind, name, found in installed().registry.listing()]


def words(markup: str) -> str:
    """A page's text without its tags, in single spaces."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", "", markup)).split())


def squeezed(text: str) -> str:
    """Text without spaces, and without the comma that ends a signature over several lines."""
    return re.sub(r"\s+", "", text).replace(",)", ")").replace("→", "->")


def read(built: Path, page: str) -> str:
    return (built / "reference" / page).read_text(encoding="utf-8")


def section(page: str, anchor: str) -> str:
    """The text of a page's section."""
    start = f'<section id="{anchor}">'
    assert start in page, f"{anchor} is not documented"
    return words(page[page.index(start) :].split("</section>")[0])


def test_the_documentation_builds(build: tuple[Path, str]) -> None:
    pages, failure = build
    assert not failure, failure
    assert (pages / "index.html").is_file()


def test_every_hook_is_there_with_its_exact_signature(built: Path) -> None:
    page = read(built, "hooks.html")
    assert len(HOOKS) >= 13
    for name, hook in HOOKS.items():
        shown = re.search(rf'<dt class="sig[^>]*id="{name}">(.*?)</dt>', page, re.DOTALL)
        assert shown, f"{name} is not documented"
        expected = name + str(inspect.signature(hook)).replace("'", "")
        assert squeezed(words(shown[1]).removesuffix("¶").removesuffix("#")) == squeezed(expected)
        assert inspect.getdoc(hook).split("\n")[0].split("`")[0].strip() in words(page)


@pytest.mark.parametrize("kind", KINDS)
def test_every_component_is_there_with_its_fields_and_defaults(built: Path, kind: str) -> None:
    page = read(built, f"components/{kind}.html")
    names = [(name, cls) for found, name, cls in LISTING if found == kind]
    assert names, f"no {kind} is installed"
    for name, cls in names:
        text = section(page, f"{kind}-{name}")
        for field in describe_fields(cls):
            assert field.name in text, f"{kind} {name}: {field.name} is not documented"
            assert field.doc, f"{kind} {name}: {field.name} has no string under it that says what it is"
            assert squeezed(field.doc.replace("`", "")) in squeezed(text), f"{kind} {name}: {field.name}"
        assert squeezed(describe_component(cls).summary.replace("`", "")) in squeezed(text)


@pytest.mark.parametrize(("kind", "name", "cls"), LISTING, ids=lambda item: item if isinstance(item, str) else "")
def test_every_components_example_can_be_used(kind: str, name: str, cls: type, built: Path) -> None:
    entry = read(built, f"components/{kind}.html").split(f'<section id="{kind}-{name}">')[1]
    block = entry.split("<pre>")[1].split("</pre>")[0]
    ((_, data),) = yaml.safe_load(html.unescape(re.sub(r"<[^>]+>", "", block))).items()
    data = data[0] if kind == "augmentation" else data
    component, problems = Builder(installed().registry).build(KINDS[kind][0], data)
    assert not problems
    assert type(component) is cls


@pytest.mark.parametrize("part", [Recipe, LearnerRecipe, EvaluationRecipe, Averaging, Normalization])
def test_every_field_of_the_recipe_is_there(built: Path, part: type) -> None:
    page = squeezed(words(read(built, "recipe.html")))
    for field in describe_fields(part):
        assert squeezed(field.name + ("required" if field.required else "")) in page
        assert field.doc, f"{part.__name__}.{field.name} has no string under it"
        assert squeezed(field.doc.replace("`", "")) in page


def test_every_command_and_option_is_there(built: Path) -> None:
    page = read(built, "commands.html")
    context = click.Context(cli, info_name="robustkit")
    verbs = cli.list_commands(context)
    assert {"run", "check", "show", "list", "plugins", "schema", "evaluate", "compare", "init"} <= set(verbs)
    for verb in verbs:
        command = cli.get_command(context, verb)
        text = section(page, f"command-robustkit-{verb}")
        for parameter in command.params:
            shown = parameter.opts[0] if isinstance(parameter, click.Option) else parameter.make_metavar(context)
            assert squeezed(shown) in squeezed(text), f"robustkit {verb}: {shown} is not documented"


@pytest.mark.parametrize("name", robustkit.__all__)
def test_every_public_name_is_there(built: Path, name: str) -> None:
    assert f'id="robustkit.{name}"' in read(built, "python.html")


def test_every_installed_recipe_is_there(built: Path) -> None:
    page = read(built, "recipes.html")
    for name, (file, _) in installed().registry.recipes.items():
        last = file.read_text(encoding="utf-8").rstrip().splitlines()[-1]
        assert squeezed(last) in squeezed(section(page, f"recipe-{name}"))


def test_every_method_card_is_there(built: Path) -> None:
    plugins = sorted(path for path in (ROOT / "plugins").iterdir() if (path / "__init__.py").is_file())
    assert len(plugins) >= 13
    for plugin in plugins:
        page = built / "methods" / f"{plugin.name.removeprefix('robustkit_')}.html"
        assert page.is_file(), f"docs/methods has no page for {plugin.name}"
        title = (plugin / "README.md").read_text(encoding="utf-8").splitlines()[0].removeprefix("# ")
        assert title.replace("`", "") in words(page.read_text(encoding="utf-8"))


def test_commands_in_cards_and_recipes_could_be_run() -> None:
    found = 0
    for path in [*(ROOT / "plugins").glob("*/README.md"), *(ROOT / "recipes").glob("*.yaml")]:
        for command in re.findall(r"^[# $]*robustkit run (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE):
            alone = re.sub(r"--output \S+", "", command)
            recipe, *overrides = [word for word in shlex.split(alone, comments=True) if not word.startswith("--")]
            if (name := Path(recipe).stem) in installed().registry.recipes:
                load_recipe(name, *overrides)
                found += 1
    assert found >= 20


def test_figures_are_drawn_from_the_recipes(built: Path) -> None:
    page = (built / "explanation" / "generalist.html").read_text(encoding="utf-8")
    assert page.count("<svg") >= 3
    assert "share in the mix" in page
