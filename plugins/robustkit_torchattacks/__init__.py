"""Every attack of the torchattacks library, behind one component."""

from robustkit import Attack, hookimpl
from robustkit_torchattacks.adapter import TorchAttacks

__all__ = ["TorchAttacks", "register_attacks"]


@hookimpl
def register_attacks() -> list[type[Attack]]:
    """The adapter; torchattacks itself is imported when one is configured."""
    return [TorchAttacks]
