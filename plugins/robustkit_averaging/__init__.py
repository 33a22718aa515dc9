"""Aggregators beside Generalist: averages over training, mixes of learners, and networks that are not merged."""

from robustkit import Aggregator, hookimpl
from robustkit_averaging.dealing import Redistribute
from robustkit_averaging.fisher import Fisher
from robustkit_averaging.learned import LearnedMix
from robustkit_averaging.median import CoordinateMedian
from robustkit_averaging.moving import EMA
from robustkit_averaging.soup import Soup
from robustkit_averaging.tasks import TaskArithmetic
from robustkit_averaging.uniform import SWA, WA
from robustkit_averaging.unmerged import Single, Unmerged


@hookimpl
def register_aggregators() -> list[type[Aggregator]]:
    """Averages over batches or epochs, mixes of learners, one learner, and learners side by side."""
    averages: list[type[Aggregator]] = [WA, SWA, EMA]
    mixes: list[type[Aggregator]] = [Soup, Fisher, TaskArithmetic, CoordinateMedian, LearnedMix, Redistribute]
    return [*averages, *mixes, Single, Unmerged]
