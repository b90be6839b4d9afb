"""The models that virtual phones can be."""

from __future__ import annotations

import pytest

from mnas_moo.objectives.virtual_phone.models import MODELS


def test_cores_are_told_cluster_by_cluster_the_slowest_first() -> None:
    assert MODELS["Pixel 6"].core_frequencies == [1803000] * 4 + [2253000] * 2 + [2802000] * 2


@pytest.mark.parametrize("name", MODELS)
def test_every_model_has_eight_cores_and_says_who_it_is(name: str) -> None:
    model = MODELS[name]
    properties = model.properties("127.0.0.1:1")
    assert model.core_frequencies == sorted(model.core_frequencies)
    assert len(model.core_frequencies) == 8
    assert (properties["ro.product.model"], properties["ro.serialno"]) == (name, "127.0.0.1:1")
    assert properties["ro.build.fingerprint"].startswith(f"google/{model.device}/{model.device}:{model.android}/")
    assert int(properties["ro.build.version.sdk"]) == model.android + 20


def test_newer_models_are_faster() -> None:
    assert MODELS["Pixel 4"].time_factor > MODELS["Pixel 6"].time_factor > MODELS["Pixel 9"].time_factor
