from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from mnas_moo.reward import AbsoluteReward, MnasReward
from mnas_moo.study_file.sampling import Mnas, RewardChoice, Sampler


@pytest.mark.parametrize(("formula", "reward"), [("mnas", MnasReward), ("absolute", AbsoluteReward)])
def test_a_reward_without_settings_is_the_published_one(formula: str, reward: Any) -> None:
    name, settings = RewardChoice.model_validate({formula: {"target": 75.0}}).chosen
    made = reward(**settings.model_dump())
    assert name == formula
    assert made == reward(target=75.0, accuracy="accuracy", latency="latency_ms")


@pytest.mark.parametrize("name", Sampler.allowed())
def test_a_sampler_by_its_name_alone_draws_its_own_seed(name: str) -> None:
    found, settings = Sampler.model_validate(name).chosen
    assert (found, settings.seed) == (name, None)


def test_the_default_samplers_model_needs_fifty_trials() -> None:
    assert Mnas(model_trials=50).model_trials == 50
    with pytest.raises(ValidationError):
        Mnas(model_trials=49)
