"""The bundled architectures keep what the engine expects of every architecture."""

from __future__ import annotations

import pytest
from robustkit_architectures import PreActResNet18, ResNet18, SmallCNN, WideResNet
from robustkit_timm import TimmArchitecture

from robustkit import Architecture
from robustkit.testing import ArchitectureSuite


class TestSmallCNN(ArchitectureSuite):
    image_shapes = ((1, 8, 8), (3, 28, 28), (5, 9, 32), (1, 4, 4))

    @pytest.fixture(autouse=True, params=[SmallCNN(), SmallCNN(width=3, batch_norm=False)], ids=repr)
    def configure(self, request: pytest.FixtureRequest) -> None:
        self.architecture: Architecture = request.param


class TestResidual(ArchitectureSuite):
    image_shapes = ((3, 8, 8), (1, 9, 12))

    @pytest.fixture(autouse=True, params=[ResNet18(), PreActResNet18(), WideResNet(depth=10, width=2)], ids=repr)
    def configure(self, request: pytest.FixtureRequest) -> None:
        self.architecture: Architecture = request.param


class TestTimm(ArchitectureSuite):
    image_shapes = ((3, 32, 32), (1, 28, 28))

    @pytest.fixture(
        autouse=True,
        params=[TimmArchitecture("test_resnet"), TimmArchitecture("test_vit", options={"patch_size": 4})],
        ids=repr,
    )
    def configure(self, request: pytest.FixtureRequest) -> None:
        self.architecture: Architecture = request.param
