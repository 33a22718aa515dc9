"""The networks that defences are planted in, trained once a session."""

from __future__ import annotations

import pytest
from doctor_parts import Ward, planted_ward


@pytest.fixture(scope="session")
def ward() -> Ward:
    """A robust and a weak network; not to be changed."""
    return planted_ward(1)
