"""robustkit: train and judge networks that must hold up against adversarial examples.

The public names are loaded on first use, so that importing robustkit (and `robustkit --help`) does not import torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from robustkit.attacking.door import perturb as perturb
    from robustkit.attacking.replay import Replay as Replay
    from robustkit.attacking.streams import Streams as Streams
    from robustkit.attacking.streams import example_streams as example_streams
    from robustkit.attacking.streams import using_streams as using_streams
    from robustkit.components.aggregator import Aggregator as Aggregator
    from robustkit.components.architecture import Architecture as Architecture
    from robustkit.components.architecture import Normalization as Normalization
    from robustkit.components.attack import Attack as Attack
    from robustkit.components.attack import Budget as Budget
    from robustkit.components.augmentation import Augmentation as Augmentation
    from robustkit.components.bench import Bench as Bench
    from robustkit.components.clock import Clock as Clock
    from robustkit.components.dataset import Dataset as Dataset
    from robustkit.components.examples import Examples as Examples
    from robustkit.components.examples import TensorExamples as TensorExamples
    from robustkit.components.hookimpl import hookimpl as hookimpl
    from robustkit.components.loss import CrossEntropy as CrossEntropy
    from robustkit.components.loss import Loss as Loss
    from robustkit.components.moment import notes_dropped as notes_dropped
    from robustkit.components.moment import rate_now as rate_now
    from robustkit.components.moment import remembered as remembered
    from robustkit.components.moment import training_moment as training_moment
    from robustkit.components.optimizer import Optimizer as Optimizer
    from robustkit.components.schedule import Rate as Rate
    from robustkit.components.schedule import Schedule as Schedule
    from robustkit.components.schedule import rate_at as rate_at
    from robustkit.components.searcher import Interval as Interval
    from robustkit.components.searcher import Searcher as Searcher
    from robustkit.components.searcher import Trial as Trial
    from robustkit.components.strategy import Strategy as Strategy
    from robustkit.components.weights import LearnerWeights as LearnerWeights
    from robustkit.components.weights import Weights as Weights
    from robustkit.curves.eps_curve import EpsCurve as EpsCurve
    from robustkit.curves.eps_curve import eps_curve as eps_curve
    from robustkit.curves.loss_surface import LossSurface as LossSurface
    from robustkit.curves.loss_surface import loss_surface as loss_surface
    from robustkit.curves.mix_path import Mix as Mix
    from robustkit.curves.mix_path import MixPath as MixPath
    from robustkit.curves.mix_path import mix_path as mix_path
    from robustkit.curves.mixing import mixed_network as mixed_network
    from robustkit.curves.reading import read_curves as read_curves
    from robustkit.curves.steps_curve import StepsCurve as StepsCurve
    from robustkit.curves.steps_curve import steps_curve as steps_curve
    from robustkit.curves.trade_off import Trace as Trace
    from robustkit.curves.trade_off import TradeOff as TradeOff
    from robustkit.curves.trade_off import trade_off as trade_off
    from robustkit.engine.launch import run as run
    from robustkit.engine.listener import Listener as Listener
    from robustkit.engine.results import FinishedRun as FinishedRun
    from robustkit.engine.results import load_run as load_run
    from robustkit.evaluation.checks.check import Check as Check
    from robustkit.evaluation.checks.diagnosis import Diagnosis as Diagnosis
    from robustkit.evaluation.checks.diagnosis import diagnose as diagnose
    from robustkit.evaluation.checks.record import TrainingRecord as TrainingRecord
    from robustkit.evaluation.evaluator import evaluate as evaluate
    from robustkit.evaluation.measurement import Accuracy as Accuracy
    from robustkit.evaluation.measurement import Measurement as Measurement
    from robustkit.evaluation.outcome import Outcome as Outcome
    from robustkit.evaluation.outcome import Record as Record
    from robustkit.evaluation.paired import Difference as Difference
    from robustkit.evaluation.paired import paired as paired
    from robustkit.evaluation.store import read_record as read_record
    from robustkit.evaluation.store import save_record as save_record
    from robustkit.models.classifier import Classifier as Classifier
    from robustkit.models.files import load_model as load_model
    from robustkit.plugin.manager import Plugins as Plugins
    from robustkit.recipe.builder import make as make
    from robustkit.recipe.compute import Compute as Compute
    from robustkit.recipe.loader import load_recipe as load_recipe
    from robustkit.recipe.manner import Manner as Manner
    from robustkit.recipe.schema import Averaging as Averaging
    from robustkit.recipe.schema import EvaluationRecipe as EvaluationRecipe
    from robustkit.recipe.schema import LearnerRecipe as LearnerRecipe
    from robustkit.recipe.schema import Recipe as Recipe
    from robustkit.reporting.drawing.eps_plot import draw_eps_curve as draw_eps_curve
    from robustkit.reporting.drawing.mix_plot import draw_mix_path as draw_mix_path
    from robustkit.reporting.drawing.steps_plot import draw_steps_curve as draw_steps_curve
    from robustkit.reporting.drawing.style import svg as svg
    from robustkit.reporting.drawing.surface_plot import draw_loss_surface as draw_loss_surface
    from robustkit.reporting.drawing.trade_off_plot import draw_trade_off as draw_trade_off

_HOMES = {
    "components.aggregator": ["Aggregator"],
    "components.architecture": ["Architecture", "Normalization"],
    "components.attack": ["Attack", "Budget"],
    "components.augmentation": ["Augmentation"],
    "components.bench": ["Bench"],
    "components.clock": ["Clock"],
    "components.dataset": ["Dataset"],
    "components.examples": ["Examples", "TensorExamples"],
    "components.hookimpl": ["hookimpl"],
    "components.loss": ["CrossEntropy", "Loss"],
    "components.moment": ["notes_dropped", "rate_now", "remembered", "training_moment"],
    "components.optimizer": ["Optimizer"],
    "components.schedule": ["Rate", "Schedule", "rate_at"],
    "components.searcher": ["Interval", "Searcher", "Trial"],
    "components.strategy": ["Strategy"],
    "components.weights": ["LearnerWeights", "Weights"],
    "attacking.door": ["perturb"],
    "attacking.replay": ["Replay"],
    "attacking.streams": ["Streams", "example_streams", "using_streams"],
    "models.classifier": ["Classifier"],
    "plugin.manager": ["Plugins"],
    "recipe.builder": ["make"],
    "recipe.compute": ["Compute"],
    "recipe.loader": ["load_recipe"],
    "recipe.manner": ["Manner"],
    "recipe.schema": ["Averaging", "EvaluationRecipe", "LearnerRecipe", "Recipe"],
    "models.files": ["load_model"],
    "evaluation.checks.check": ["Check"],
    "evaluation.checks.diagnosis": ["Diagnosis", "diagnose"],
    "evaluation.checks.record": ["TrainingRecord"],
    "evaluation.evaluator": ["evaluate"],
    "evaluation.measurement": ["Accuracy", "Measurement"],
    "evaluation.outcome": ["Outcome", "Record"],
    "evaluation.paired": ["Difference", "paired"],
    "evaluation.store": ["read_record", "save_record"],
    "engine.launch": ["run"],
    "engine.listener": ["Listener"],
    "engine.results": ["FinishedRun", "load_run"],
    "curves.eps_curve": ["EpsCurve", "eps_curve"],
    "curves.loss_surface": ["LossSurface", "loss_surface"],
    "curves.mix_path": ["Mix", "MixPath", "mix_path"],
    "curves.mixing": ["mixed_network"],
    "curves.reading": ["read_curves"],
    "curves.steps_curve": ["StepsCurve", "steps_curve"],
    "curves.trade_off": ["Trace", "TradeOff", "trade_off"],
    "reporting.drawing.eps_plot": ["draw_eps_curve"],
    "reporting.drawing.mix_plot": ["draw_mix_path"],
    "reporting.drawing.steps_plot": ["draw_steps_curve"],
    "reporting.drawing.style": ["svg"],
    "reporting.drawing.surface_plot": ["draw_loss_surface"],
    "reporting.drawing.trade_off_plot": ["draw_trade_off"],
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}
__all__ = sorted(_HOME)  # noqa: PLE0605


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'robustkit' has no attribute {name!r}")
    return getattr(import_module(f"robustkit.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])
