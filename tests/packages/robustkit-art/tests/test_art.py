from importlib.util import find_spec

import pytest
import torch
from robustkit_art import ART

from robustkit import TensorExamples, evaluate, make, perturb
from robustkit.errors import AttackError, ComponentError
from robustkit.testing import AttackSuite, tiny_batch, tiny_model

installed = find_spec("art") is not None
needs_art = pytest.mark.skipif(not installed, reason="ART is not installed: pip install adversarial-robustness-toolbox")
SETTINGS = [
    {"attack": "ProjectedGradientDescent", "eps": "8/255", "settings": {"max_iter": 5, "eps_step": "2/255"}},
    {"attack": "ProjectedGradientDescent", "eps": 0.5, "norm": "L2", "settings": {"max_iter": 3, "num_random_init": 1}},
    {"attack": "FastGradientMethod", "eps": 2.0, "norm": "L1"},
    {"attack": "SquareAttack", "eps": "8/255", "settings": {"max_iter": 3}},
    {"attack": "DeepFool", "settings": {"max_iter": 3}},
]


@needs_art
class TestART(AttackSuite):
    test_does_not_depend_on_the_batch = None  # it draws a batch at a time

    @pytest.fixture(autouse=True, params=SETTINGS if installed else [], ids=lambda given: given["attack"])
    def configure(self, request):
        self.attack = ART(**request.param)


@needs_art
def test_it_breaks_what_native_pgd_breaks():
    """Same budget, steps, step size and start; both move by signs of the same gradients."""
    model = tiny_model(10).eval()
    images, _ = tiny_batch(40)
    examples = TensorExamples(images, model(images).argmax(1), [str(digit) for digit in range(10)])
    theirs = ART(attack="ProjectedGradientDescent", eps="8/255", settings={"max_iter": 10, "eps_step": "2/255"})
    ours = make("attack", "pgd", eps="8/255", step_size="2/255", steps=10, random_start=False, keep="last")
    found = evaluate(model, examples, {"theirs": theirs, "ours": ours}).accuracies()
    assert found["natural"].share == 1.0
    assert found["ours"].share < 0.9
    assert abs(found["theirs"].share - found["ours"].share) <= 1 / 40, "one example, for rounding"
    assert found["worst-case"].share >= found["ours"].share - 1 / 40, "they break the same examples"


@needs_art
def test_problems_name_the_field_and_the_way_out():
    for given, words in [
        ({"attack": "ProjectedGradientDescnt", "eps": 0.1}, "Did you mean 'ProjectedGradientDescent'"),
        ({"attack": "ProjectedGradientDescent"}, "needs an eps"),
        ({"attack": "DeepFool", "eps": 0.1}, "takes no eps"),
        ({"attack": "SquareAttack", "eps": 0.1, "settings": {"max_itr": 3}}, "Did you mean 'max_iter'"),
    ]:
        with pytest.raises(ComponentError, match=words):
            ART(**given)


@needs_art
def test_a_failure_inside_names_the_attack():
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 8 * 8, 2))
    attack = ART(attack="ProjectedGradientDescent", eps="8/255", settings={"max_iter": -1})
    with pytest.raises(AttackError, match="art's ProjectedGradientDescent failed: ValueError"):
        perturb(attack, model, *tiny_batch(2, num_classes=2), seed=0)


@pytest.mark.skipif(installed, reason="ART is installed: nothing to ask for")
def test_without_art_it_says_what_to_install():
    with pytest.raises(ComponentError, match="pip install 'adversarial-robustness-toolbox"):
        ART(attack="SquareAttack", eps="8/255")
