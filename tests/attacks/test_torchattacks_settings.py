"""The adapter's fields: names, budgets and parameters are checked when it is made, not in mid-run."""

from __future__ import annotations

import subprocess
import sys

import pytest
from robustkit_torchattacks import TorchAttacks

from robustkit import Budget, perturb
from robustkit.errors import ComponentError, PluginError
from robustkit.testing import AttackSuite, tiny_batch, tiny_model

WITHOUT = "torchattacks is not installed: pip install 'robustkit-torch[torchattacks]'"


@pytest.fixture
def installed():
    pytest.importorskip("torchattacks", reason=WITHOUT)


@pytest.mark.usefixtures("installed")
class TestTorchAttacks(AttackSuite):
    test_does_not_depend_on_the_batch = None  # it draws a batch at a time

    @pytest.fixture(autouse=True, params=[{"attack": "PGD", "eps": 0.1}, {"attack": "GN"}], ids=repr)
    def configure(self, request, installed):
        self.attack = TorchAttacks(**request.param)


@pytest.fixture
def missing(monkeypatch):
    """As if torchattacks were not installed."""
    monkeypatch.setitem(sys.modules, "torchattacks", None)


def test_the_plugin_does_not_import_the_library():
    code = "import sys, robustkit_torchattacks; sys.exit(bool({'torchattacks', 'torchvision'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.usefixtures("missing")
def test_without_the_library_the_error_names_the_extra():
    with pytest.raises(ComponentError, match=r"pip install 'robustkit-torch\[torchattacks\]'"):
        TorchAttacks(attack="PGD")


@pytest.mark.usefixtures("installed")
def test_a_library_that_has_gone_since_is_reported_too(monkeypatch):
    attack = TorchAttacks(attack="PGD")
    monkeypatch.setitem(sys.modules, "torchattacks", None)
    with pytest.raises(PluginError, match=r"robustkit-torch\[torchattacks\]"):
        perturb(attack, tiny_model(), *tiny_batch())


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("name", ["PGDL2", "pgdl2", "PGD-L2", "pgd_l2"])
def test_names_are_found_however_they_are_written(name):
    attack = TorchAttacks(attack=name)
    assert attack.attack == "PGDL2"
    assert attack == TorchAttacks(attack="PGDL2")


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    ("fields", "budget"),
    [
        ({"attack": "PGD"}, Budget("Linf", 8 / 255)),  # torchattacks' own default is verified too
        ({"attack": "PGD", "eps": "4/255"}, Budget("Linf", 4 / 255)),
        ({"attack": "PGD", "eps": 0.1, "norm": "Linf"}, Budget("Linf", 0.1)),
        ({"attack": "PGDL2"}, Budget("L2", 1.0)),
        ({"attack": "PIFGSM"}, Budget("Linf", 16 / 255)),
        ({"attack": "PIFGSM", "eps": 0.05}, Budget("Linf", 0.05)),
        ({"attack": "Square", "eps": 0.5, "norm": "L2"}, Budget("L2", 0.5)),
        ({"attack": "CW"}, None),
        ({"attack": "CW", "eps": 2}, Budget("L2", 2.0)),
        ({"attack": "DeepFool", "eps": 0.1, "norm": "Linf"}, Budget("Linf", 0.1)),
        ({"attack": "OnePixel"}, None),
        ({"attack": "OnePixel", "eps": 3, "norm": "L1"}, Budget("L1", 3.0)),
    ],
)
def test_budgets(fields, budget):
    assert TorchAttacks(**fields).budget == budget


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("attack", ["PGD", "PIFGSM"])
def test_eps_reaches_the_attack(attack):
    model, (images, labels) = tiny_model(), tiny_batch()
    for eps in (0.01, 0.2):
        moved = perturb(TorchAttacks(attack=attack, eps=eps), model, images, labels) - images
        assert moved.abs().max().item() == pytest.approx(min(eps, 0.2), rel=0.6)
        assert moved.abs().max() > eps * 0.3


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    ("attack", "given", "expected"),
    [
        ("PGD", {"alpha": "2/255", "steps": 20}, {"alpha": 2 / 255, "steps": 20}),
        ("PGD", {"alpha": 1, "steps": "20", "random_start": False}, {"alpha": 1.0, "steps": 20, "random_start": False}),
        ("CW", {"c": 0.5, "kappa": "1"}, {"c": 0.5, "kappa": 1}),
        ("APGD", {"loss": "dlr", "seed": 7}, {"loss": "dlr", "seed": 7}),
        ("AutoAttack", {"seed": None, "version": "rand"}, {"seed": None, "version": "rand"}),
        ("AutoAttack", {"seed": 3.0}, {"seed": 3}),
        ("Pixle", {"x_dimensions": [1, "4"]}, {"x_dimensions": (1, 4)}),
    ],
)
def test_parameters_become_what_the_constructor_wants(attack, given, expected):
    parameters = TorchAttacks(attack=attack, parameters=given).parameters
    assert parameters == expected
    assert [type(value) for value in parameters.values()] == [type(value) for value in expected.values()]


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"attack": "PGDD"},
            r"attack: torchattacks has no attack 'PGDD'\. Did you mean 'PGD'\? Known: APGD, .*VNIFGSM",
        ),
        (
            {"attack": "PGD", "parameters": {"stepz": 3}},
            r"parameters\.stepz: .*'steps'\? Known: alpha, random_start, steps",
        ),
        (
            {"attack": "PGD", "parameters": {"steps": 2.5}},
            r"parameters\.steps: expected a whole number, as its default 10",
        ),
        ({"attack": "PGD", "parameters": {"alpha": "big"}}, r"parameters\.alpha: expected a number"),
        ({"attack": "PGD", "parameters": {"alpha": None}}, r"parameters\.alpha: expected a number"),
        ({"attack": "PGD", "parameters": {"alpha": True}}, r"parameters\.alpha: expected a number"),
        ({"attack": "PGD", "parameters": {"random_start": 1}}, r"parameters\.random_start: expected true or false"),
        ({"attack": "APGD", "parameters": {"loss": 3}}, r"parameters\.loss: expected text, as its default 'ce'"),
        ({"attack": "AutoAttack", "parameters": {"seed": "x"}}, r"parameters\.seed: expected a number or null"),
        ({"attack": "Pixle", "parameters": {"x_dimensions": [1, 2, 3]}}, r"x_dimensions: expected a list of 2 numbers"),
        ({"attack": "Pixle", "parameters": {"x_dimensions": [1, 2.5]}}, r"list of 2 numbers, a whole number each"),
        ({"attack": "PGD", "parameters": {"eps": 0.1}}, r"parameters\.eps: belongs beside `attack`, as `eps`"),
        ({"attack": "PIFGSM", "parameters": {"max_epsilon": 0.1}}, r"parameters\.max_epsilon: belongs .* as `eps`"),
        ({"attack": "Square", "parameters": {"norm": "L2"}}, r"parameters\.norm: belongs beside `attack`, as `norm`"),
        ({"attack": "PGD", "parameters": {"model": "x"}}, r"parameters\.model: .* has no parameter 'model'"),
        ({"attack": "PGD", "eps": 8}, r"eps: expected at most 1 in Linf, got 8"),
        ({"attack": "PGD", "eps": -1}, r"eps: expected"),
        ({"attack": "PGD", "eps": 1, "norm": "L2"}, r"norm: torchattacks' PGD is bounded in Linf, not in L2"),
        ({"attack": "FAB", "eps": 1, "norm": "L1"}, r"norm: torchattacks' FAB is bounded in Linf or L2, not in L1"),
        ({"attack": "PGD", "norm": "Linf"}, r"norm: a norm without a radius"),
        ({"attack": "OnePixel", "eps": 0.1}, r"norm: torchattacks' OnePixel has no norm of its own"),
    ],
)
def test_what_does_not_fit_is_refused(fields, message):
    with pytest.raises(ComponentError, match=message):
        TorchAttacks(**fields)


@pytest.mark.usefixtures("installed")
def test_all_problems_are_reported_at_once():
    with pytest.raises(ComponentError) as caught:
        TorchAttacks(attack="PGD", norm="L2", parameters={"stepz": 1, "alpha": "x"})
    assert [problem.path for problem in caught.value.problems] == [
        ("parameters", "stepz"),
        ("parameters", "alpha"),
        ("norm",),
    ]
