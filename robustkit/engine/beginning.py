"""What a learner begins with: weights of its own choice, and which of them stay as they are."""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path

from robustkit.errors import InputError, WeightsError, did_you_mean, known
from robustkit.models.classifier import Classifier
from robustkit.models.files import load_weights, read_tensors
from robustkit.recipe.schema import LearnerRecipe


def begin(learner: str, recipe: LearnerRecipe, model: Classifier) -> None:
    """Load the weights to start from and freeze parameters, as the recipe says.

    Raises:
        WeightsError: the file is missing, damaged, or of another network.
        InputError: a pattern freezes nothing, or everything is frozen.
    """
    if recipe.start_from is not None:
        _load(Path(recipe.start_from), model)
    parameters = dict(model.network.named_parameters())
    for pattern in recipe.freeze:
        matching = [name for name in parameters if fnmatchcase(name, pattern)]
        if not matching:
            text = f"learner {learner!r}: freeze: no parameter's name matches {pattern!r}."
            raise InputError(f"{text}{did_you_mean(pattern, parameters)} {known(parameters)}")
        for name in matching:
            parameters[name].requires_grad_(False)
    if not any(parameter.requires_grad for parameter in parameters.values()):
        raise InputError(f"learner {learner!r}: freeze leaves no parameter to train. Drop a pattern.")


def _load(path: Path, model: Classifier) -> None:
    tensors, header = read_tensors(path)
    own, theirs = model.normalization, header.get("normalization")
    if (own and {"mean": list(own.mean), "std": list(own.std)}) != theirs:
        raise WeightsError(f"{path}: its network normalizes images with {theirs}, this recipe's with {own}.")
    dtypes = {name: tensor.dtype for name, tensor in model.weights().items()}
    load_weights(model, {name: tensor.to(dtypes.get(name)) for name, tensor in tensors.items()}, str(path))
