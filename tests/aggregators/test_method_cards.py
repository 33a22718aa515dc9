"""The recipes shown in the method cards of strategies and aggregators can be loaded."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from robustkit import load_recipe

ROOT = Path(__file__).parents[2]
PLUGINS = ("natural", "adversarial", "mixing", "selftraining", "generalist", "averaging")
CARDS = {name: (ROOT / "plugins" / f"robustkit_{name}" / "README.md").read_text(encoding="utf-8") for name in PLUGINS}
SNIPPETS = [
    (name, block) for name, card in CARDS.items() for block in re.findall(r"```yaml\n(.*?)```", card, re.DOTALL)
]


def completed(snippet):
    """A whole recipe around a snippet: that of PGD adversarial training, with the learners an aggregator speaks of."""
    recipe = yaml.safe_load((ROOT / "recipes" / "pgd-at.yaml").read_text(encoding="utf-8")) | {"epochs": 120}
    robust = recipe["learners"]["robust"]
    if "strategy" in snippet:
        robust["strategy"] = snippet["strategy"]
        return recipe
    if "learners" not in snippet:
        names = ["natural", *snippet["aggregator"].get("mix", ["robust"])]
        recipe["learners"] = dict.fromkeys(names, robust)
    return recipe | snippet


@pytest.mark.parametrize(("plugin", "text"), SNIPPETS)
def test_snippets_are_recipes(plugin, text, tmp_path):
    snippet = yaml.safe_load(text)
    file = tmp_path / "recipe.yaml"
    file.write_text(yaml.safe_dump(completed(snippet)), encoding="utf-8")
    recipe = load_recipe(file)
    wanted = snippet.get("aggregator", "single")
    assert recipe.aggregator.name == (wanted if isinstance(wanted, str) else wanted["use"])


@pytest.mark.parametrize("plugin", PLUGINS)
def test_cards_show_a_recipe_and_commands_that_exist(plugin):
    assert any(name == plugin for name, _ in SNIPPETS)
    commands = re.findall(r"robustkit run (recipes/\S+\.yaml)", CARDS[plugin])
    assert commands
    assert [name for name in commands if not (ROOT / name).is_file()] == []
