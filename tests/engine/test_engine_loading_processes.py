"""Worker processes start from any script, know what it knows, and are gone when it is gone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
import torch
from loading_parts import ORDER, Here, running
from PIL import Image

from robustkit import Plugins
from robustkit.engine.loading import BatchReader
from robustkit.errors import DataError

HERE = Path(__file__).parent
CPU = torch.device("cpu")
SCRIPT = """
import multiprocessing, sys
from pathlib import Path
import torch
from loading_parts import ORDER, Made
from robustkit.engine.loading import BatchReader

with Path(sys.argv[1]).open("a") as file:
    print("started", file=file)  # a worker that runs this script says so too
reader = BatchReader(Made(), torch.device("cpu"), torch.float32, workers=2)
epochs = [1, 2] if sys.argv[2] == "finish" else iter(int, 1)
for epoch in epochs:
    for batch in reader.batches(ORDER):
        print(*(process.pid for process in multiprocessing.active_children()), flush=True)
"""
"""Has no `if __name__ == "__main__"`, as most scripts."""


def start(folder, name, mode):
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(HERE)}
    command = [sys.executable, "script.py", name, mode]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, cwd=folder, env=environment, start_new_session=True, **pipes)


MODES = {"finished": "finish", "interrupted": "forever", "killed": "forever"}


@pytest.fixture(scope="module")
def ended(tmp_path_factory):
    """Exit code, standard error, workers and number of starts of each script; all run at once."""
    folder = tmp_path_factory.mktemp("script")
    (folder / "script.py").write_text(SCRIPT)
    with ExitStack() as stack:
        scripts = {name: stack.enter_context(start(folder, name, mode)) for name, mode in MODES.items()}
        stack.callback(lambda: [script.kill() for script in scripts.values()])
        workers = {name: [int(word) for word in script.stdout.readline().split()] for name, script in scripts.items()}
        os.killpg(scripts["interrupted"].pid, signal.SIGINT)  # Ctrl-C goes to every process of a terminal
        scripts["killed"].kill()
        errors = {name: script.communicate(timeout=60)[1] for name, script in scripts.items()}
        return {
            name: (script.returncode, errors[name], workers[name], (folder / name).read_text())
            for name, script in scripts.items()
        }


def gone(processes, within=10.0):
    until = time.monotonic() + within
    while any(map(running, processes)) and time.monotonic() < until:
        time.sleep(0.02)
    return not any(map(running, processes))


def test_a_script_without_a_guard_is_run_once_and_ends_without_a_word(ended):
    code, errors, _, starts = ended["finished"]
    assert (code, errors, starts) == (0, "", "started\n")


def test_after_ctrl_c_no_process_is_left_and_no_worker_says_a_word(ended):
    code, errors, workers, _ = ended["interrupted"]
    assert code == -signal.SIGINT
    assert errors.count("Traceback") == 1, errors
    assert errors.rstrip().endswith("KeyboardInterrupt")
    assert "leaked" not in errors
    assert len(workers) == 2
    assert gone(workers)


def test_after_a_kill_no_process_is_left(ended):
    code, _, workers, _ = ended["killed"]
    assert code == -signal.SIGKILL
    assert len(workers) == 2
    assert gone(workers)


def read(examples, workers):
    reader = BatchReader(examples, CPU, torch.float32, workers=workers)
    try:
        return torch.cat([images for images, _ in reader.batches(ORDER)])
    finally:
        reader.close()


def test_relative_paths_start_where_they_start_here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert (read(Here(), 1) * 255).round().unique().tolist() == [len(str(tmp_path))]


PLUGIN = '''
from dataclasses import dataclass
import torch
from robustkit import Dataset, Examples, hookimpl
class Stripes(Examples):
    resident = False
    image_shape = (1, 2, 2)
    def __init__(self):
        self.labels, self.class_names = torch.arange(24) % 2, ("a", "b")
    def images(self, indices):
        return (self.labels[indices] / 2).view(-1, 1, 1, 1).expand(-1, 1, 2, 2).contiguous()
@dataclass(frozen=True)
class Striped(Dataset):
    """Made on demand by a plugin of one file."""
    name = "striped"
    def load(self, split):
        return Stripes()
@hookimpl
def register_datasets():
    return [Striped]
'''


def test_examples_of_a_plugin_in_a_single_file(tmp_path):
    (tmp_path / "striped_plugin.py").write_text(PLUGIN)
    registry = Plugins(files=[tmp_path / "striped_plugin.py"]).registry
    part = registry.find("dataset", "striped").cls().load("train").subset(torch.arange(24).flip(0))
    images = read(part, 2)
    assert torch.equal(images, read(part, 0))
    assert torch.equal(images[:, 0, 0, 0] * 2, part.labels[torch.cat(ORDER)].float())


def test_a_limit_raised_here_is_raised_for_the_workers(tmp_path, monkeypatch):
    from robustkit_torchvision import ImageFolder

    for number in range(24):
        file = tmp_path / "train" / str(number % 2) / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (20, 20), number).save(file)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 390)
    examples = ImageFolder(root=str(tmp_path), image_size=8, cache=False).load("train")
    with pytest.raises(DataError, match="Pillow's limit of 390 pixels"):
        read(examples, 1)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    assert read(examples, 1).shape == (10, 3, 8, 8)
