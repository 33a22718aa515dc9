"""Reference pages written from the live code: components, hooks, commands, recipes; and figures drawn at the build."""

from __future__ import annotations

import importlib
from typing import Any

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective

import robustkit
from robustkit.plugin.manager import installed
from robustkit.plugin.registry import KINDS, Registry
from robustkit_reference.commands import command_entries
from robustkit_reference.components import kind_entries, kind_lead
from robustkit_reference.docstrings import restructured
from robustkit_reference.hooks import hooks_text
from robustkit_reference.markdown import Entry
from robustkit_reference.recipes import recipe_entries, schema_entries


class Reference(SphinxDirective):
    """Writes Markdown in its place: a lead, then sections."""

    def lead(self) -> str:
        return ""

    def entries(self) -> list[Entry]:
        return []

    def run(self) -> list[nodes.Node]:
        return [*self.parse_text_to_nodes(self.lead()), *map(self.section, self.entries())]

    def section(self, entry: Entry) -> nodes.section:
        section = nodes.section("", ids=[nodes.make_id(entry.anchor)], names=[entry.anchor])
        section += nodes.title("", "", *self.parse_inline(entry.title)[0])
        section += self.parse_text_to_nodes(entry.text)
        self.state.document.note_explicit_target(section, section)
        return section


class Components(Reference):
    """`{robustkit-components} attack`: every component of that kind."""

    required_arguments = 1

    def lead(self) -> str:
        return kind_lead(self.arguments[0])

    def entries(self) -> list[Entry]:
        return kind_entries(self.arguments[0], registry())


class Kinds(Reference):
    """`{robustkit-kinds}`: a list of the kinds with links to their pages."""

    def lead(self) -> str:
        counts = {kind: len(registry().components[kind]) for kind in KINDS}
        return "\n".join(f"- [{kind}]({kind}.md): {count} installed" for kind, count in counts.items())


class Hooks(Reference):
    """`{robustkit-hooks}`: every hook."""

    def lead(self) -> str:
        return hooks_text()


class Commands(Reference):
    """`{robustkit-commands}`: every command."""

    def entries(self) -> list[Entry]:
        return command_entries()


class Schema(Reference):
    """`{robustkit-schema}`: the recipe's sections and fields."""

    def entries(self) -> list[Entry]:
        return schema_entries()


class Recipes(Reference):
    """`{robustkit-recipes}`: every installed recipe."""

    def entries(self) -> list[Entry]:
        return recipe_entries(registry())


class Figure(SphinxDirective):
    """`{robustkit-figure} draw_flow`: the SVG that `draw()` of that module in docs/figures returns, with a caption."""

    has_content = True
    required_arguments = 1
    optional_arguments = 10
    option_spec = {"alt": directives.unchanged_required}

    def run(self) -> list[nodes.Node]:
        module, *arguments = self.arguments
        svg = importlib.import_module(module).draw(*arguments)
        label = nodes.make_id(self.options["alt"]) and self.options["alt"].replace('"', "'")
        markup = f'<div role="img" aria-label="{label}" class="drawing">{svg}</div>'
        figure = nodes.figure("", nodes.raw("", markup, format="html"))
        figure += nodes.caption("", "", *self.parse_inline(" ".join(self.content))[0])
        return [figure]


def registry() -> Registry:
    """What is installed, all of it sound: a reference that leaves a broken plugin out would be wrong."""
    found = installed().registry
    if found.troubles:
        raise ExtensionError("plugins could not be used:\n" + "\n".join(found.troubles))
    return found


def resolve(app: Sphinx, env: BuildEnvironment, node: pending_xref, text: nodes.Element) -> nodes.Element | None:
    """Lead `Attack` or `robustkit.components.attack.Attack` in a signature to `robustkit.Attack`."""
    name = str(node.get("reftarget", "")).rpartition(".")[2]
    if node.get("refdomain") != "py" or name not in robustkit.__all__:
        return None
    domain: Any = env.get_domain("py")
    target = f"robustkit.{name}"
    if target not in domain.objects:
        return None
    return domain.resolve_xref(env, node["refdoc"], app.builder, "obj", target, node, text)


def dashes(app: Sphinx, doctree: nodes.document, name: str) -> None:
    """Put a dash between a parameter and its description, where Sphinx writes two hyphens."""
    for text in doctree.findall(lambda node: isinstance(node, nodes.Text) and node == " -- "):
        text.parent.replace(text, nodes.Text(" – "))


def setup(app: Sphinx) -> dict[str, Any]:
    """Make the directives known."""
    for name, directive in {
        "components": Components,
        "kinds": Kinds,
        "hooks": Hooks,
        "commands": Commands,
        "schema": Schema,
        "recipes": Recipes,
        "figure": Figure,
    }.items():
        app.add_directive(f"robustkit-{name}", directive)
    app.connect("missing-reference", resolve)
    app.connect("doctree-resolved", dashes)
    app.connect("autodoc-process-docstring", restructured)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
