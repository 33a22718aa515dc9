"""Files are written beside their place and put there whole: what breaks in between leaves the old one."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from robustkit.models import files
from robustkit.models.files import read_tensors, save_tensors, write_text

OLD, NEW = {"weight": torch.zeros(3)}, {"weight": torch.ones(3)}


class PowerCut(BaseException):
    pass


def cut(*arguments, **named):
    raise PowerCut


def half_written(tensors, path, metadata):
    Path(path).write_bytes(b"half")
    raise PowerCut


@pytest.mark.parametrize(("where", "name"), [(Path, "replace"), (files.os, "fsync")])
def test_the_old_tensors_stay(tmp_path, monkeypatch, where, name):
    path = tmp_path / "w.safetensors"
    save_tensors(path, OLD, {"age": "old"})
    monkeypatch.setattr(where, name, cut)
    with pytest.raises(PowerCut):
        save_tensors(path, NEW, {"age": "new"})
    assert read_tensors(path)[1] == {"age": "old"}
    monkeypatch.undo()
    save_tensors(path, NEW, {"age": "new"})  # what was left half done is in nobody's way
    tensors, header = read_tensors(path)
    assert torch.equal(tensors["weight"], NEW["weight"])
    assert header == {"age": "new"}
    assert [file.name for file in tmp_path.iterdir()] == ["w.safetensors"]


def test_half_written_tensors(tmp_path, monkeypatch):
    path = tmp_path / "w.safetensors"
    save_tensors(path, OLD, {})
    monkeypatch.setattr(files, "save_file", half_written)
    with pytest.raises(PowerCut):
        save_tensors(path, NEW, {})
    assert torch.equal(read_tensors(path)[0]["weight"], OLD["weight"])


@pytest.mark.parametrize(("where", "name"), [(Path, "replace"), (files.os, "fsync")])
def test_the_old_text_stays(tmp_path, monkeypatch, where, name):
    path = tmp_path / "report.json"
    write_text(path, "old")
    monkeypatch.setattr(where, name, cut)
    with pytest.raises(PowerCut):
        write_text(path, "new")
    assert path.read_text() == "old"
    monkeypatch.undo()
    write_text(path, "new")
    assert path.read_text() == "new"
    assert [file.name for file in tmp_path.iterdir()] == ["report.json"]


def test_text_keeps_its_letters(tmp_path):
    write_text(tmp_path / "text", "Grüße, 世界\n")
    assert (tmp_path / "text").read_text(encoding="utf-8") == "Grüße, 世界\n"


def test_a_disk_error_while_training_keeps_the_last_checkpoint(train, tmp_path, monkeypatch, compare):
    """The second checkpoint cannot be written; the first one is still whole."""
    save, calls = files.save_file, []

    def full(tensors, path, metadata):
        calls.append(path)
        if len(calls) == 2:
            Path(path).write_bytes(b"half")
            raise OSError("no space left on device")
        save(tensors, path, metadata)

    monkeypatch.setattr(files, "save_file", full)
    with pytest.raises(OSError, match="no space left"):
        train(output=tmp_path / "run", evaluation={"select_by": "natural", "every_epochs": 5}, epochs=3)
    tensors, header = read_tensors(tmp_path / "run" / "checkpoint.safetensors")
    assert header["progress"]["epoch"] == 1
    assert tensors
