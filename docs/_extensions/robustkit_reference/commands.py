"""The commands, from the click tree itself."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Set

import click

from robustkit_reference.markdown import Entry, code, fenced, table


def group() -> click.Command:
    """The command line's root."""
    from robustkit.cli import main

    return next(item for item in vars(main).values() if isinstance(item, click.Group))


def commands(command: click.Command, context: click.Context) -> Iterator[tuple[click.Command, click.Context]]:
    """A command and all below it, each with the context it runs in."""
    yield command, context
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None, f"{name} is listed but cannot be had"
            yield from commands(below, click.Context(below, info_name=name, parent=context))


def command_entries() -> list[Entry]:
    """Every command: usage, help, arguments and options."""
    root = group()
    found = commands(root, click.Context(root, info_name="robustkit"))
    return [
        Entry(f"command-{path.replace(' ', '-')}", code(path), command_text(command, context))
        for command, context in found
        if (path := context.command_path)
    ]


def command_text(command: click.Command, context: click.Context) -> str:
    """One command."""
    usage = " ".join(command.get_usage(context).replace("Usage: ", "").split())
    names = set(re.findall(r"[A-Z][A-Z=-]+[A-Z]", usage)) - {"OPTIONS"}
    rows = [row for parameter in command.params if (row := _row(parameter, context))]
    shown = table(["Option", "Meaning"], rows, "options") if rows else ""
    return "\n".join([fenced("text", usage), help_text(command.help or "", names), "", shown])


def help_text(text: str, names: Set[str]) -> str:
    """A command's help, the names of its arguments as code; what click keeps as it is written is a code block."""
    paragraphs = []
    for paragraph in inspect.cleandoc(text).split("\n\n"):
        if paragraph.startswith("\b\n"):
            paragraphs.append(fenced("text", paragraph.removeprefix("\b\n")))
        else:
            paragraphs.append(with_code(" ".join(paragraph.split()), names))
    return "\n\n".join(paragraphs)


def with_code(text: str, names: Set[str] = frozenset()) -> str:
    """`--option`, `path.to=value` and these names as code, where they are not yet."""
    named = "".join(rf"|\b{re.escape(name)}\b" for name in sorted(names, key=len, reverse=True))
    word = re.compile(rf"(?<![\w-])--[a-z][\w-]*|\b[a-z_.]+=\w+(?:\.\w+)*{named}")
    pieces = re.split(r"(`[^`]*`)", text)
    return "".join(piece if piece.startswith("`") else word.sub(r"`\g<0>`", piece) for piece in pieces)


def _row(parameter: click.Parameter, context: click.Context) -> tuple[str, str] | None:
    """An option's or argument's row; arguments that the help explains have none."""
    record = parameter.get_help_record(context)
    return (code(record[0]), with_code(record[1])) if record and record[1] else None
