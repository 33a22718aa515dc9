"""Anyone's own arrays: every layout, type and file kind gives the same images."""

from __future__ import annotations

import numpy
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from robustkit_datasets import Arrays
from robustkit_datasets.layout import arrange, image_shape
from safetensors.torch import save_file

from robustkit.errors import ComponentError

PIXELS = numpy.random.default_rng(0).integers(0, 256, (6, 3, 5, 7)).astype(numpy.uint8)
LABELS = numpy.array([0, 1, 2, 0, 1, 2])
EXPECTED = torch.from_numpy(PIXELS).float() / 255


@pytest.fixture
def saved(tmp_path):
    """Save a split of images and labels and give the file back."""

    def save(images=PIXELS, labels=LABELS, name="data.npz", **more):
        numpy.savez(tmp_path / name, images=images, labels=labels, **more)
        return str(tmp_path / name)

    return save


def everything(examples):
    return examples.images(torch.arange(len(examples)))


def test_channels_first(saved):
    examples = Arrays(train=saved(), test=saved()).load("train")
    assert torch.equal(everything(examples), EXPECTED)
    assert examples.labels.tolist() == LABELS.tolist()
    assert examples.labels.dtype == torch.int64
    assert examples.image_shape == (3, 5, 7)
    assert examples.class_names == ("0", "1", "2")


def test_channels_last(saved):
    file = saved(PIXELS.transpose(0, 2, 3, 1))
    assert torch.equal(everything(Arrays(train=file, test=file).load("test")), EXPECTED)


def test_gray_without_a_channel_axis(saved):
    file = saved(PIXELS[:, 0])
    examples = Arrays(train=file, test=file).load("train")
    assert examples.image_shape == (1, 5, 7)
    assert torch.equal(everything(examples), EXPECTED[:, :1])


@pytest.mark.parametrize(("layout", "shape"), [("NCHW", (3, 5, 3)), ("NHWC", (3, 3, 5))])
def test_a_stated_layout_settles_what_the_shape_leaves_open(saved, layout, shape):
    file = saved(numpy.zeros((6, 3, 5, 3), numpy.float32))
    assert Arrays(train=file, test=file, layout=layout).load("train").image_shape == shape


def test_splits_may_differ_in_layout(saved):
    train, test = saved(PIXELS[:, :1]), saved(PIXELS[:, 0], name="test.npz")
    assert Arrays(train=train, test=test).load("test").image_shape == (1, 5, 7)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", ">f4"])
def test_float_types(saved, dtype):
    pixels = (PIXELS / 255).astype(dtype)
    file = saved(pixels)
    images = everything(Arrays(train=file, test=file).load("train"))
    assert images.dtype == torch.float32
    assert torch.equal(images, torch.from_numpy(pixels.astype(numpy.float32)))


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int32", "uint64", ">i8"])
def test_integer_types_of_labels(saved, dtype):
    file = saved(labels=LABELS.astype(dtype))
    assert Arrays(train=file, test=file).load("train").labels.tolist() == LABELS.tolist()


def test_a_column_of_labels(saved):
    file = saved(labels=LABELS[:, None])
    assert Arrays(train=file, test=file).load("train").labels.tolist() == LABELS.tolist()


def test_float_noise_is_brought_inside(saved):
    pixels = (PIXELS / 255).astype(numpy.float32)
    pixels[0, 0, 0, :2] = -1e-8, 1 + 5e-7
    file = saved(pixels)
    images = everything(Arrays(train=file, test=file).load("train"))
    assert (images.min(), images.max()) == (0, 1)


def test_classes_count_over_both_splits(saved):
    train, test = saved(labels=LABELS % 2), saved(labels=LABELS, name="test.npz")
    assert Arrays(train=train, test=test).load("train").class_names == ("0", "1", "2")


def test_given_class_names_may_have_no_example(saved):
    names = ("cat", "dog", "eel", "fox")
    assert Arrays(train=saved(), test=saved(), class_names=names).load("train").class_names == names


def test_one_split_alone_is_enough_where_the_classes_are_named(saved, tmp_path):
    data = Arrays(train=str(tmp_path / "none.npz"), test=saved(), class_names=("a", "b", "c"))
    assert len(data.load("test")) == 6


def test_other_keys(tmp_path):
    numpy.savez_compressed(tmp_path / "data.npz", x=PIXELS, y=LABELS)
    file = str(tmp_path / "data.npz")
    assert len(Arrays(train=file, test=file, images_key="x", labels_key="y").load("train")) == 6


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32, torch.bfloat16])
def test_safetensors(tmp_path, dtype):
    pixels = torch.from_numpy(PIXELS) if dtype == torch.uint8 else EXPECTED.to(dtype)
    save_file({"images": pixels, "labels": torch.from_numpy(LABELS)}, tmp_path / "data.safetensors")
    file = str(tmp_path / "data.safetensors")
    images = everything(Arrays(train=file, test=file).load("train"))
    assert images.dtype == torch.float32
    assert torch.equal(images, EXPECTED if dtype == torch.uint8 else EXPECTED.to(dtype).float())


def test_npy_with_separate_labels(tmp_path):
    numpy.save(tmp_path / "x.npy", numpy.asfortranarray(PIXELS))
    numpy.save(tmp_path / "y.npy", LABELS)
    x, y = str(tmp_path / "x.npy"), str(tmp_path / "y.npy")
    assert torch.equal(everything(Arrays(train=x, test=x, train_labels=y, test_labels=y).load("train")), EXPECTED)


def test_home_folder_and_working_directory(saved, tmp_path, monkeypatch):
    saved()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert len(Arrays(train="~/data.npz", test="data.npz").load("train")) == 6


@given(st.tuples(st.integers(1, 3), st.integers(1, 4), st.integers(5, 9), st.integers(5, 9)))
def test_layouts_agree_on_every_shape(shape):
    images = torch.arange(torch.Size(shape).numel()).remainder(256).to(torch.uint8).reshape(shape)
    images.view(-1)[0] = 255
    last = images.permute(0, 2, 3, 1)
    for layout in ("auto", "NHWC"):
        assert torch.equal(arrange(last, layout, "x"), images)
        assert image_shape(tuple(last.shape), layout, "x") == shape[1:]
    assert torch.equal(arrange(images, "auto", "x"), images)
    if shape[1] == 1:
        assert torch.equal(arrange(images[:, 0], "auto", "x"), images)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"train": "a.npz", "test": "b.txt"},
            "test: expected a file that ends in .npz or .safetensors or .npy, got 'b.txt'",
        ),
        (
            {"train": "a.npy", "test": "b.npz"},
            "train: a .npy file holds the images only: give its labels' file as train_labels",
        ),
        ({"train": "a.npz", "test": "b.npz", "test_labels": "c.npy"}, "test_labels: a .npz file holds its own labels"),
        ({"train": "a.npz", "test": "b.npy", "test_labels": "c.npz"}, "test_labels: expected a file that ends in .npy"),
        ({"train": "a.npz", "test": "b.npz", "labels_key": "images"}, "expected another name than images_key"),
        ({"train": "a.npz", "test": "b.npz", "class_names": ["a", "b", "a"]}, "none of them twice"),
        ({"train": "a.npz", "test": "b.npz", "class_names": []}, "at least one name"),
        ({"train": "a.npz", "test": "b.npz", "layout": "nchw"}, "Did you mean 'NCHW'"),
    ],
)
def test_fields_that_do_not_fit_are_refused_before_any_file_is_read(fields, message):
    with pytest.raises(ComponentError) as caught:
        Arrays(**fields)
    assert message in str(caught.value)
