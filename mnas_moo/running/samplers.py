"""Every sampler by its name, for study files and comparisons: ours, and Optuna's with their default settings.

Only the seed of Optuna's samplers is set. A study that a sampler cannot do (several objectives, constraints, a kind of
parameter) is an error before the first trial.
"""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution

from mnas_moo.dppnet.settings import ProgressiveSettings
from mnas_moo.objectives.extras import require
from mnas_moo.running.storage import find_study
from mnas_moo.running.tabular_trials import TabularTrials
from mnas_moo.spaces.growth import Growth
from mnas_moo.study_file.document import StudyError, nearest
from mnas_moo.study_file.load import load_study_file
from mnas_moo.study_file.sampling import DPPNet, Mnas

if TYPE_CHECKING:
    from mnas_moo.dppnet.rounds import Computed
    from mnas_moo.dppnet.state import GrowthOf
    from mnas_moo.reward import Reward
    from mnas_moo.running.trials import Subject
    from mnas_moo.study_file.study import StudyFile

OPTUNA: Mapping[str, Callable[..., optuna.samplers.BaseSampler]] = {
    "nsga2": optuna.samplers.NSGAIISampler,
    "nsga3": optuna.samplers.NSGAIIISampler,
    "tpe": optuna.samplers.TPESampler,
    "gp": optuna.samplers.GPSampler,
    "cmaes": optuna.samplers.CmaEsSampler,
    "random": optuna.samplers.RandomSampler,
    "brute": optuna.samplers.BruteForceSampler,
}
"""Optuna's samplers by our names for them."""

SAMPLERS = ("mnas", "mnas-paper", "dppnet", *OPTUNA)
"""Names that ``make`` knows."""

NEEDS: Mapping[str, tuple[str, str]] = {"gp": ("scipy", "gp"), "cmaes": ("cmaes", "cmaes")}
"""Samplers that need a package of their own: its module, and our extra that brings it."""


def make(
    name: str,
    seed: int | None = None,
    *,
    n_objectives: int,
    constrained: bool = False,
    distributions: Iterable[BaseDistribution] = (),
    canonical: Callable[[Mapping[str, Any]], Mapping[str, Any]] | None = None,
    features: Callable[[Mapping[str, Any]], Mapping[str, float]] | None = None,
    reward: Reward | None = None,
    growth: Growth | GrowthOf | None = None,
    computed: Computed | None = None,
    n_trials: int = 0,
    options: Mapping[str, Any] | None = None,
) -> optuna.samplers.BaseSampler:
    """The sampler of that name.

    Args:
        name: one of ``SAMPLERS``.
        seed: seed of the sampler; None: the sampler draws its own.
        n_objectives: number of the study's objectives.
        constrained: whether the study has constraints.
        distributions: distributions of all parameters there can be; empty: they are not known, and not checked.
        canonical: ``Space.canonical``, for ``mnas`` and ``dppnet``.
        features: ``Space.features``, for ``mnas`` and ``dppnet``.
        reward: reward that makes one number of several objectives, for ``mnas-paper``.
        growth: order of growth, for ``dppnet``.
        computed: objectives that need no measurement, for ``dppnet``.
        n_trials: number of trials that the study holds already. Optuna's samplers begin their random numbers anew in
            every process, and with the same seed a study that goes on would try its first points again; so the number
            goes into their seed. Ours read the trials themselves.
        options: further arguments of ``MnasSampler``, for ``mnas``, or of ``ProgressiveSampler``, for ``dppnet``.

    Raises:
        ValueError: there is no such sampler, or it cannot do what the study asks of it.
        MissingExtraError: it needs a package that is not installed.
    """
    if name not in SAMPLERS:
        raise ValueError(f"there is no sampler {name!r}{nearest(name, SAMPLERS)}")
    distributions = list(distributions)
    if name == "mnas-paper" and n_objectives > 1 and reward is None:
        raise ValueError(f"mnas-paper needs a reward that makes one number of {n_objectives} objectives")
    if name == "dppnet" and growth is None:
        raise ValueError(
            "dppnet needs an order of growth, and there is none here; sampler.dppnet.steps of the study file can say "
            "which parameters each step decides"
        )
    if name == "cmaes":
        if n_objectives > 1:
            raise ValueError(f"cmaes has one objective, not {n_objectives}; nsga2, tpe, gp and mnas take several")
        if constrained:
            raise ValueError("cmaes takes no constraints; nsga2, tpe, gp and mnas do")
        if distributions and all(isinstance(each, CategoricalDistribution) for each in distributions):
            raise ValueError("cmaes takes numbers, and every parameter here is categorical; tpe, gp and mnas take both")
    if name == "brute" and any(isinstance(each, FloatDistribution) and each.step is None for each in distributions):
        raise ValueError("brute tries every point, and a float without a step has no end of them; use random")
    if name in NEEDS:
        require(*NEEDS[name])
    if name in OPTUNA:
        if seed is not None and n_trials:
            seed = int(np.random.SeedSequence([seed, n_trials]).generate_state(1)[0])
        with warnings.catch_warnings():  # users of a study file did not choose an experimental class
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            return OPTUNA[name](seed=seed)
    if name == "dppnet":
        from mnas_moo.dppnet.sampler import ProgressiveSampler

        return ProgressiveSampler(
            growth, seed=seed, canonical=canonical, features=features, computed=computed, **(options or {})
        )
    from mnas_moo.sampler import MnasSampler

    if name == "mnas":
        return MnasSampler(seed=seed, canonical=canonical, features=features, **(options or {}))
    return MnasSampler.paper(reward, seed=seed)


def sampler_of(study_file: StudyFile, subject: Subject, n_trials: int) -> optuna.samplers.BaseSampler:
    """The sampler of a study file.

    Args:
        study_file: the study.
        subject: what its trials measure.
        n_trials: number of trials that the study holds already.

    Raises:
        StudyError: a setting is wrong, or the sampler cannot do what the study asks of it.
        MissingExtraError: the sampler needs a package that is not installed.
    """
    kind, settings = study_file.sampler.chosen
    if kind == "fbnet":
        from mnas_moo.running.searches import fbnet_sampler

        return fbnet_sampler(study_file, subject, settings.seed)
    if kind == "instanas":
        from mnas_moo.running.per_image import instanas_sampler

        return instanas_sampler(study_file, subject, settings.seed)
    reward = study_file.make_reward()
    try:
        return make(
            kind,
            settings.seed,
            n_objectives=len(study_file.objective_names),
            constrained=bool(study_file.limits),
            distributions=subject.distributions.values(),
            canonical=subject.canonical,
            features=subject.features,
            reward=reward,
            growth=growth_of(study_file, subject) if kind == "dppnet" else None,
            computed=subject.computed,
            n_trials=n_trials,
            options=_options(study_file, settings),
        )
    except StudyError:
        raise
    except ValueError as error:
        raise study_file.error(("sampler", kind), f": {error}") from error


def growth_of(study_file: StudyFile, subject: Subject) -> Growth | None:
    """The order of growth that a study file gives its table or space, or else that one's own.

    Raises:
        StudyError: it names unknown parameters, leaves some out, has a value at rest that is none, or is for a table
            with parameters that not all of its networks have.
    """
    settings = study_file.sampler.dppnet
    if settings is None or (settings.steps is None and settings.rest is None):
        return subject.growth
    if settings.steps is None:
        problem = "says where parameters rest, and needs steps, which say when each of them is decided"
        raise study_file.error(("sampler", "dppnet", "rest"), problem)
    conditional = subject.problem.conditional if isinstance(subject, TabularTrials) else []
    if conditional:
        advice = "leave steps out: the table has an order of its own"
        if subject.growth is None:
            advice = "search it with another sampler, such as mnas, tpe or nsga2"
        problem = f"are for tables whose points all have the same parameters, and some here lack {conditional[0]}"
        raise study_file.error(("sampler", "dppnet", "steps"), f"{problem}; {advice}")
    try:
        return Growth.of(subject.distributions, settings.steps, settings.rest)
    except ValueError as error:
        raise study_file.error(("sampler", "dppnet", "steps"), f": {error}") from error


def _options(study_file: StudyFile, settings: Any) -> dict[str, Any] | None:
    """Arguments of our samplers from a study file's settings, in which objectives go by their names."""
    if isinstance(settings, DPPNet):
        own = {each.name: getattr(settings, each.name) for each in dataclasses.fields(ProgressiveSettings)}
        return {"settings": ProgressiveSettings(**own)}
    if not isinstance(settings, Mnas):
        return None
    names = list(study_file.objective_names)

    def known(key: str, name: str, allowed: Sequence[str]) -> int:
        if name not in allowed:
            problem = f"names {name!r}, which is no objective{nearest(name, allowed)}"
            raise study_file.error(("sampler", "mnas", key), problem)
        return list(allowed).index(name)

    options: dict[str, Any] = {"model_trials": settings.model_trials}
    if settings.reference_point:
        wanted = {known("reference_point", name, names): value for name, value in settings.reference_point.items()}
        options["reference_point"] = [wanted.get(m) for m in range(len(names))]
    if settings.source is None and settings.shared is None:
        return options
    if settings.source is None or not settings.shared:
        problem = "and shared need each other: another study's file, and the objectives that are the same in both"
        raise study_file.error(("sampler", "mnas", "source" if settings.source else "shared"), problem)
    other = load_study_file(settings.source)
    source = find_study(other)
    if source is None:
        raise study_file.error(("sampler", "mnas", "source"), f": {settings.source} has no trials yet; run it first")
    there = list(other.objective_names)
    options["source"] = source
    options["shared"] = {known("shared", name, names): known("shared", name, there) for name in settings.shared}
    return options
