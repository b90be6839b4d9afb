"""The samplers of a study file by name, and the rewards of the published one."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from mnas_moo.dppnet.settings import ProgressiveSettings
from mnas_moo.fbnet.settings import FBNetSettings
from mnas_moo.instanas.settings import InstaNASSettings
from mnas_moo.reward import AbsoluteReward, MnasReward
from mnas_moo.settings import DEFAULTS, LEAST
from mnas_moo.study_file.parts import OneOf, Part, Positive, Seed, fields_of, with_fields

_AtMost0 = Annotated[float, Field(le=0)]


class _RewardOf(Part):
    target: Positive
    accuracy: str = "accuracy"
    latency: str = "latency_ms"


class MnasRewardSettings(_RewardOf):
    """Settings of ``mnas_moo.MnasReward``: soft by default, hard with `alpha: 0, beta: -1`."""

    alpha: _AtMost0 = MnasReward.alpha
    beta: _AtMost0 = MnasReward.beta


class AbsoluteRewardSettings(_RewardOf):
    """Settings of ``mnas_moo.AbsoluteReward``."""

    beta: _AtMost0 = AbsoluteReward.beta


class RewardChoice(OneOf):
    """The formula that makes one number of an accuracy and a latency."""

    mnas: MnasRewardSettings | None = None
    absolute: AbsoluteRewardSettings | None = None


class Seeded(Part):
    """Settings of a sampler that has only a seed; without one (null) it draws its own."""

    seed: Seed | None = None


class Mnas(Seeded):
    """Settings of ``mnas_moo.MnasSampler``, in which objectives go by their names and another study by its file."""

    reference_point: dict[str, float] | None = None
    source: str | None = None
    shared: list[str] | None = None
    model_trials: Annotated[int, Field(ge=LEAST["model_trials"])] = DEFAULTS.model_trials


class Paper(Seeded):
    """Settings of the sampler as published: with several objectives it needs a reward."""

    reward: RewardChoice | None = None


def _several(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else (value,) if isinstance(value, int | float) else value


_Numbers = Annotated[tuple[Positive, ...], BeforeValidator(_several)]


@with_fields(fields_of(FBNetSettings))
class FBNet(Seeded):
    """Settings of FBNet's search (``mnas_moo.fbnet.settings``); ``table`` is the file of a lookup table."""

    table: str | None = None
    beta: _Numbers = FBNetSettings.beta
    targets_ms: _Numbers = ()


def _alone(value: Any) -> Any:
    return [[each] if isinstance(each, str) else each for each in value] if isinstance(value, list) else value


@with_fields(fields_of(ProgressiveSettings))
class DPPNet(Seeded):
    """Settings of ``mnas_moo.ProgressiveSampler``.

    ``steps`` says which parameters each step of growth decides, and ``rest`` their values until then, for a table, or
    in place of the space's own order.
    """

    steps: Annotated[list[list[str]] | None, BeforeValidator(_alone)] = None
    rest: dict[str, Any] | None = None


@with_fields(fields_of(InstaNASSettings))
class InstaNAS(Seeded):
    """Settings of InstaNAS' search (``mnas_moo.instanas.settings``); ``table`` is the file of a lookup table."""

    table: str | None = None


class Sampler(OneOf):
    """The sampler, by a name that ``mnas_moo.running.samplers`` knows."""

    mnas: Mnas | None = None
    mnas_paper: Annotated[Paper | None, Field(alias="mnas-paper")] = None
    nsga2: Seeded | None = None
    nsga3: Seeded | None = None
    tpe: Seeded | None = None
    gp: Seeded | None = None
    cmaes: Seeded | None = None
    random: Seeded | None = None
    fbnet: FBNet | None = None
    dppnet: DPPNet | None = None
    instanas: InstaNAS | None = None
    brute: Seeded | None = None
