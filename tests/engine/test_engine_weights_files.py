"""Weights files: they say what network they hold, give it back exactly, and never run code."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from robustkit import Normalization, load_model, load_run
from robustkit.errors import RobustkitError, WeightsError
from robustkit.models.classifier import build_classifier
from robustkit.models.files import model_header, read_tensors, save_tensors

IMAGES = torch.rand(5, 1, 6, 6, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def saved(plugins, tmp_path_factory):
    """A network's file, its tensors, its header, and the network."""
    folder = tmp_path_factory.mktemp("weights")
    architecture = plugins.registry.find("architecture", "tiny").cls(width=3)
    torch.manual_seed(0)
    network = build_classifier(architecture, 3, (1, 6, 6), Normalization((0.5,), (0.25,)))
    network(IMAGES)  # gives BatchNorm something to remember
    tensors, header = network.weights(), model_header(architecture, network, ("a", "b", "c"), (1, 6, 6))
    save_tensors(folder / "model.safetensors", tensors, header)
    return folder / "model.safetensors", tensors, header, network.eval()


@pytest.fixture
def refuse(saved, plugins, tmp_path):
    """Save changed tensors or a changed header, and give the error that loading them is."""

    def refuse(tensors=None, header=None, family=WeightsError):
        path = tmp_path / "changed.safetensors"
        save_tensors(path, saved[1] if tensors is None else tensors, saved[2] if header is None else header)
        with pytest.raises(family) as caught:
            load_model(path, registry=plugins.registry)
        return str(caught.value)

    return refuse


def test_a_loaded_model_gives_the_same_logits_and_is_ready_to_use(saved, plugins):
    path, _, _, network = saved
    model = load_model(path, registry=plugins.registry)
    assert not any(module.training for module in model.modules())
    assert torch.equal(model(IMAGES), network(IMAGES))
    assert model.normalization == Normalization((0.5,), (0.25,))


def test_a_run_gives_back_every_network_it_trained(train, compare):
    finished = train(precision="float64")
    for name in ("global", "natural", "robust"):
        tensors, _ = compare.tensors_of(finished.folder.weights(name))
        weights = finished.model(name).weights()
        assert all(torch.equal(weights[key], tensor) for key, tensor in tensors.items())
        assert weights["6.weight"].dtype == torch.float64


def test_weights_that_two_layers_share_are_kept_once_and_still_shared(train, compare):
    """And what is not trained stays as it was, and is kept all the same."""
    finished = train(architecture="tied")
    tensors, _ = compare.tensors_of(finished.folder.weights("natural"))
    assert sorted(tensors) == ["1.bias", "1.weight", "2.bias", "3.bias", "3.weight"]
    network = finished.model("natural").network
    assert network[1].weight is network[2].weight
    assert torch.equal(network[1].weight, tensors["1.weight"])
    other, _ = compare.tensors_of(finished.folder.weights("robust"))
    torch.testing.assert_close(tensors["1.bias"], other["1.bias"])  # an average of equal numbers rounds
    assert not torch.allclose(tensors["2.bias"], other["2.bias"])


def test_the_header_says_what_the_file_holds(train):
    finished = train(evaluation={"select_by": "natural"})
    for name in ("global", "natural"):
        _, header = read_tensors(finished.folder.weights(name))
        assert header == {
            "architecture": {"use": "tiny", "width": 4, "dropout": 0.0, "flat": False},
            "class_names": ["class 0", "class 1", "class 2"],
            "image_shape": [1, 6, 6],
            "normalization": None,
            "recipe": "tiny",
            "epoch": finished.report["selection"]["epoch"],
            "selected_by": "natural",
            "network": name,
        }


def test_a_network_that_is_not_there_is_named_with_a_near_one(train):
    with pytest.raises(WeightsError, match="no network 'globl'. Did you mean 'global'\\? Known: global, natural"):
        train().model("globl")


@pytest.mark.parametrize("name", ["../weights/global", "nothing"])
def test_only_networks_of_the_run_are_opened(train, name):
    with pytest.raises(WeightsError, match="no network"):
        train().model(name)


def test_what_is_no_results_folder(tmp_path):
    with pytest.raises(WeightsError, match="expected a results folder, it has no lock.yaml"):
        load_run(tmp_path)


def test_a_run_without_its_report_says_so(train, plugins):
    finished = train()
    finished.folder.report.unlink()
    with pytest.raises(WeightsError, match="report.json: there is no such file. Is .* a finished run"):
        load_run(finished.path, plugins.registry).report  # noqa: B018 - reading it is the test
    finished.folder.report.write_text("{")
    with pytest.raises(WeightsError, match="report.json: expected JSON, it cannot be read"):
        load_run(finished.path, plugins.registry).report  # noqa: B018


def test_missing_and_unknown_tensors(saved, refuse):
    tensors = {key.replace("6.weight", "6.weigth"): tensor for key, tensor in saved[1].items()}
    text = refuse(tensors)
    assert "'6.weight' is missing" in text
    assert "'6.weigth' is unknown. Did you mean '6.weight'?" in text


def test_another_shape(saved, refuse):
    assert "'6.bias' has shape (4,), expected (3,)" in refuse({**saved[1], "6.bias": torch.zeros(4)})


def test_another_width_in_the_header(saved, refuse):
    header = {**saved[2], "architecture": {"use": "tiny", "width": 5}}
    assert "the weights do not fit the network: '0.weight' has shape (3, 1, 3, 3), expected (5, 1, 3, 3)" in refuse(
        header=header
    )


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"architecture": {"use": "tinny"}}, "architecture.use: unknown architecture 'tinny'. Did you mean 'tiny'?"),
        ({"architecture": {"use": "tiny", "depth": 1}}, "architecture.depth: unknown key 'depth'"),
        ({"architecture": None}, "architecture: expected an architecture"),
        ({"architecture": {"use": "natural"}}, "There is a strategy of that name"),
        ({"normalization": {"mean": [0.5], "std": [0.0]}}, "normalization.std"),
        ({"normalization": "none"}, "normalization"),
        ({"class_names": 3}, "image_shape or class_names cannot be read"),
        ({"class_names": []}, "make no sense"),
        ({"image_shape": None}, "image_shape or class_names cannot be read"),
        ({"image_shape": [1, 6]}, "make no sense"),
        ({"image_shape": [1, 6, -6]}, "make no sense"),
        ({"image_shape": [1, 6, float("inf")]}, "image_shape or class_names cannot be read"),
    ],
)
def test_headers_that_name_no_network(saved, refuse, changes, text):
    assert text in refuse(header={**saved[2], **changes})


def test_a_normalization_for_other_channels(saved, refuse):
    header = {**saved[2], "normalization": {"mean": [0.5, 0.5, 0.5], "std": [1.0, 1.0, 1.0]}}
    assert "3 values, images have 1 channels" in refuse(header=header, family=RobustkitError)


@pytest.mark.parametrize("key", ["architecture", "class_names", "image_shape", "normalization"])
def test_headers_that_lack_a_key(saved, refuse, key):
    assert f"its header lacks {key}." in refuse(header={name: saved[2][name] for name in saved[2] if name != key})


@pytest.mark.parametrize("header", [[], [None], 5, "text"])
def test_headers_that_are_no_mapping(refuse, header):
    assert "damaged" in refuse(header=header)


def test_any_other_safetensors_file(plugins, tmp_path):
    save_file({"weight": torch.ones(1)}, tmp_path / "other.safetensors")
    with pytest.raises(WeightsError, match="a header of format 'robustkit-1' naming the architecture, got None"):
        load_model(tmp_path / "other.safetensors", registry=plugins.registry)


def test_a_missing_file(tmp_path):
    with pytest.raises(WeightsError, match="there is no such file"):
        load_model(tmp_path / "none.safetensors")


@pytest.mark.parametrize("cut", [3, 50, -1])
def test_a_truncated_file(saved, plugins, tmp_path, cut):
    (tmp_path / "cut.safetensors").write_bytes(saved[0].read_bytes()[:cut])
    with pytest.raises(WeightsError, match="damaged"):
        load_model(tmp_path / "cut.safetensors", registry=plugins.registry)


class Trap:
    """Unpickling this makes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (Path.touch, (Path(self.path),))


@pytest.mark.parametrize("form", ["pickle", "torch"])
def test_a_pickle_under_our_name_is_refused_and_never_unpickled(tmp_path, form):
    path, trap = tmp_path / "model.safetensors", Trap(str(tmp_path / "sprung"))
    if form == "torch":
        torch.save({"weight": trap}, path)
    else:
        path.write_bytes(pickle.dumps(trap))
    with pytest.raises(WeightsError, match="damaged"):
        load_model(path)
    assert not (tmp_path / "sprung").exists()
    if form == "pickle":
        pickle.loads(path.read_bytes())  # noqa: S301 - shows that the trap works
        assert (tmp_path / "sprung").exists()


def test_pretrained_weights_are_not_fetched_for_a_file_that_has_its_own(saved, plugins, tmp_path, monkeypatch):
    """`pretrained: true` in a header speaks of where training started."""
    timm = plugins.registry.find("architecture", "timm").cls
    built = []

    def build(self, num_classes, image_shape):
        built.append(self.pretrained)
        return plugins.registry.find("architecture", "tiny").cls(width=3).build(num_classes, image_shape)

    monkeypatch.setattr(timm, "build", build)
    header = {**saved[2], "architecture": {"use": "timm", "model": "resnet18", "pretrained": True, "options": {}}}
    save_tensors(tmp_path / "timm.safetensors", saved[1], header)
    assert torch.equal(load_model(tmp_path / "timm.safetensors", registry=plugins.registry)(IMAGES), saved[3](IMAGES))
    assert built == [False]
