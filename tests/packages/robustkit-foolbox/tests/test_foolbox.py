from importlib.util import find_spec

import pytest
import torch
from robustkit_foolbox import Foolbox

from robustkit import TensorExamples, evaluate, make, perturb
from robustkit.errors import AttackError, ComponentError
from robustkit.testing import AttackSuite, tiny_batch, tiny_model

installed = find_spec("foolbox") is not None
needs_foolbox = pytest.mark.skipif(not installed, reason="Foolbox is not installed: pip install foolbox")
SETTINGS = [
    {"attack": "LinfPGD", "eps": "8/255", "settings": {"steps": 5, "rel_stepsize": 0.25}},
    {"attack": "LinfFastGradientAttack", "eps": "8/255", "settings": {"random_start": True}},
    {"attack": "L2DeepFoolAttack", "eps": 0.5, "norm": "L2", "settings": {"steps": 5}},
    {"attack": "L2CarliniWagnerAttack", "eps": 0.5, "norm": "L2", "settings": {"steps": 5, "binary_search_steps": 1}},
    {"attack": "LinearSearchBlendedUniformNoiseAttack", "eps": 1.0, "norm": "L1", "settings": {"steps": 5}},
]


@needs_foolbox
class TestFoolbox(AttackSuite):
    test_does_not_depend_on_the_batch = None  # it draws a batch at a time

    @pytest.fixture(autouse=True, params=SETTINGS if installed else [], ids=lambda given: given["attack"])
    def configure(self, request):
        self.attack = Foolbox(**request.param)


@needs_foolbox
def test_it_breaks_what_native_pgd_breaks():
    """Same budget, steps, step size and start; both move by signs of the same gradients."""
    model = tiny_model(10).eval()
    images, _ = tiny_batch(40)
    examples = TensorExamples(images, model(images).argmax(1), [str(digit) for digit in range(10)])
    settings = {"steps": 10, "rel_stepsize": 0.25, "random_start": False}
    theirs = Foolbox(attack="LinfPGD", eps="8/255", settings=settings)
    ours = make("attack", "pgd", eps="8/255", step_size="2/255", steps=10, random_start=False, keep="last")
    found = evaluate(model, examples, {"theirs": theirs, "ours": ours}).accuracies()
    assert found["natural"].share == 1.0
    assert found["ours"].share < 0.9
    assert abs(found["theirs"].share - found["ours"].share) <= 1 / 40, "one example, for rounding"
    assert found["worst-case"].share >= found["ours"].share - 1 / 40, "they break the same examples"


@needs_foolbox
def test_problems_name_the_field_and_the_way_out():
    for given, words in [
        ({"attack": "LinfPGDD", "eps": 0.1}, "Did you mean 'LinfPGD'?"),
        ({"attack": "LinfPGD", "eps": 0.1, "norm": "L2"}, "not in L2"),
        ({"attack": "LinfPGD", "eps": 0.1, "settings": {"stepps": 3}}, "refuses them"),
    ]:
        with pytest.raises(ComponentError, match=words.replace("?", r"\?")):
            Foolbox(**given)


@needs_foolbox
def test_a_failure_inside_names_the_attack():
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(5, 2))
    attack = Foolbox(attack="LinfPGD", eps="8/255")
    with pytest.raises(AttackError, match="foolbox's LinfPGD failed: RuntimeError"):
        perturb(attack, model, *tiny_batch(2), seed=0)


@pytest.mark.skipif(installed, reason="Foolbox is installed: nothing to ask for")
def test_without_foolbox_it_says_what_to_install():
    with pytest.raises(ComponentError, match="pip install 'foolbox"):
        Foolbox(attack="LinfPGD", eps="8/255")
