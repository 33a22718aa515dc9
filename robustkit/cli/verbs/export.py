"""`robustkit export`: write a mix of a finished run's learners as a weights file of its own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from robustkit.cli.output import json_option, print_json
from robustkit.cli.plugin_options import PluginChoice, plugin_options
from robustkit.cli.verbs.mix import batch_norm_option

if TYPE_CHECKING:
    from robustkit.curves.mixing import Mixer


@click.command("export")
@click.argument("source", metavar="RUN", type=click.Path(path_type=Path))
@click.argument("overrides", metavar="[PATH=VALUE]...", nargs=-1)
@click.option(
    "--mix", "mixture", metavar="NAME=SHARE,...", required=True, help="Shares that add up to 1: natural=0.3,robust=0.7."
)
@click.option(
    "--output", metavar="FILE.safetensors", required=True, type=click.Path(path_type=Path), help="The weights file."
)
@batch_norm_option
@click.option("--device", metavar="NAME", help="auto, cpu, cuda, cuda:1, ...")
@json_option
@plugin_options
def command(
    source: Path,
    overrides: tuple[str, ...],
    mixture: str,
    output: Path,
    batch_norm: Any,
    device: str | None,
    as_json: bool,
    choice: PluginChoice,
) -> None:
    """Write a mix of a run's learners to a file.

    RUN is a results folder; `robustkit mix` says which mixes are worth it. The file says what it is, and is read by
    `robustkit evaluate FILE --data RUN` and `robustkit.load_model`. PATH=VALUE words say where the data lies now, for
    example dataset.root=/data.
    """
    from robustkit.cli.finished_run import open_run
    from robustkit.curves.mixing import Mixer
    from robustkit.engine.launch import surroundings
    from robustkit.errors import InputError

    if output.exists():
        raise InputError(f"{output}: is there already. Name another file behind --output.")
    if output.suffix != ".safetensors":
        raise InputError(f"--output {output}: expected a name that ends in .safetensors.")
    shares = read_shares(mixture)
    run, recipe = open_run(source, [*overrides, *([f"device={device}"] if device else [])], choice.load().registry)
    with surroundings(recipe):
        header = _write(Mixer(run, recipe, batch_norm=batch_norm), shares, output)
    if as_json:
        return print_json({"output": str(output), **header})
    click.echo(f"wrote {output}: {header['network']}, {_statistics(header)}")
    click.echo(f"to measure it: robustkit evaluate {output} --data {source}")
    return None


def read_shares(text: str) -> dict[str, float]:
    """`natural=0.3,robust=0.7` as numbers by name; fractions such as 1/3 are fine.

    Raises:
        InputError: it cannot be read, or a name comes twice.
    """
    from robustkit.components.fields import number
    from robustkit.errors import InputError

    shares: dict[str, float] = {}
    for word in text.split(","):
        name, equals, written = word.partition("=")
        value = number(written.strip()) if equals else None
        if value is None or not name.strip() or name.strip() in shares:
            raise InputError(f"--mix {text!r}: expected NAME=SHARE,NAME=SHARE with every name once, got {word!r}.")
        shares[name.strip()] = float(value)
    return shares


def _write(mixer: Mixer, shares: dict[str, float], output: Path) -> dict[str, Any]:
    """Write the file; returns its header."""
    from robustkit.curves.mixing import written
    from robustkit.models.files import model_header, read_tensors, save_tensors

    shares = mixer.checked(shares)
    network = mixer.network(shares)
    train = mixer.data.train
    of_learner = read_tensors(mixer.run.folder.weights(mixer.learners[0]))[1]
    header = model_header(mixer.recipe.architecture, network, train.class_names, train.image_shape)
    header |= {key: of_learner[key] for key in ("recipe", "epoch", "selected_by") if key in of_learner}
    header |= {"network": f"mix {written({name: share for name, share in shares.items() if share})}", "mix": shares}
    header |= {"batch_norm": mixer.statistics_of(shares)}
    save_tensors(output, network.weights(), header)
    return header


def _statistics(header: dict[str, Any]) -> str:
    words = {
        None: "no BatchNorm statistics",
        "own": "the learner's own BatchNorm statistics",
        "average": "averaged BatchNorm statistics",
        "recompute": "BatchNorm statistics recomputed on the training images",
    }
    return words[header["batch_norm"]]
