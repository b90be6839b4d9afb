"""A study whose InstaNAS search is finished, without the search: fresh weights, made-up figures and decisions."""

from __future__ import annotations

import base64
import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import torch
from optuna.trial import TrialState, create_trial

from mnas_moo.instanas.learning import controller_of
from mnas_moo.instanas.metagraph import MetaGraph
from mnas_moo.instanas.sampler import POINT, RESULT
from mnas_moo.running.per_image import search_file
from mnas_moo.running.storage import create_storage
from mnas_moo.running.trials import MEASUREMENTS, NETWORK
from mnas_moo.spaces.instanas import NAMES, InstaNASSpace
from mnas_moo.spaces.text import to_text
from mnas_moo.study_file.network_study import NetworkStudy
from tests.running.test_per_image import study_of

SPACE = InstaNASSpace(preset="digits", layers=[1, 1, 2, 1], width=0.25, head=32)
CLASSES = [str(i) for i in range(10)]
EPOCH = {
    **{"phase": "search", "reward": 1.0, "advantage": 0.5, "entropy": 9.0, "on": 0.3, "drawn_ms": 2.0},
    **{"band_ms": [1.0, 3.0], "accuracy": 0.6, "shuffled_accuracy": 0.5},
}


def searched(folder: Path) -> tuple[NetworkStudy, optuna.Study]:
    """The study, with two points as trials 0 and 1, a trial that is none of them and one that is under way."""
    study_file = study_of(folder)
    usual = ["k3_e6", "none", "k3_e3+basic", "none", "k5_e3"]
    points = [point(number, usual) for number in range(2)]
    study = optuna.create_study(
        study_name=study_file.name,
        storage=create_storage(study_file, lambda why: None),
        directions=["maximize", "minimize"],
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        study.set_metric_names(["accuracy", "latency_ms"])
    study._storage.set_study_system_attr(study._study_id, RESULT, {"points": points, "seconds": 12.5})
    params = dict(zip(SPACE.distributions, usual, strict=True))
    network = to_text(SPACE.spec(params).canonical())
    for number, held in enumerate(points):
        values = [held["accuracy"], held["latency_ms"]]
        measurements = {"accuracy": {"value": values[0]}, "latency_ms": {"value": values[1]}}
        attributes = {POINT: number, NETWORK: network, MEASUREMENTS: measurements}
        study.add_trial(
            create_trial(params=params, distributions=SPACE.distributions, values=values, user_attrs=attributes)
        )
    study.add_trial(create_trial(values=[0.3, 9.0], user_attrs={NETWORK: network}))
    study.add_trial(create_trial(state=TrialState.RUNNING))
    file = search_file(study_file)
    file.parent.mkdir(parents=True, exist_ok=True)
    for number, held in enumerate(points):
        write_point(file.with_name(held["file"]), number)
    file.with_suffix(".json").write_text(json.dumps(notes(points)), encoding="utf-8")
    return study_file, study


def point(number: int, usual: list[str]) -> dict[str, Any]:
    return {
        "epoch": number,
        "file": f"instanas-per-image-{number}-tuned.pt",
        "accuracy": 0.5 + number / 4,
        "latency_ms": 1.0 + number,
        "shuffled_accuracy": 0.375,
        "paths": 3,
        "on": 0.25,
        "usual": usual,
    }


def write_point(file: Path, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    graph, controller = MetaGraph(SPACE, generator), controller_of(SPACE, generator, 0.25, 1)
    with torch.no_grad():
        images = torch.randn(64, 1, 16, 16, generator=generator)
        for _ in range(20):  # so that norms fit
            graph(images, torch.rand(64, SPACE.cells, len(NAMES), generator=generator) < 0.5)
            controller(images)
        controller.decide.weight.mul_(20)  # so that images differ in their decisions
    state = {"graph": graph.state_dict(), "controller": controller.state_dict()}
    torch.save({**state, "format": 1, "controller_size": (0.25, 1)}, file)


def notes(points: list[dict[str, Any]]) -> dict[str, Any]:
    """What stands beside a search."""
    use = np.linspace(0, 1, 10)[:, None].repeat(SPACE.cells * len(NAMES), 1)  # of class k, k ninths
    image = {"shape": [2, 3, 1], "pixels": base64.b64encode(bytes(range(0, 60, 10))).decode()}
    images = [{"label": label, "latency_ms": 1.0 + label, **image} for label in range(10)]
    return {
        "format": 1,
        "modules": list(NAMES),
        "cells": list(SPACE.distributions),
        "classes": CLASSES,
        "epochs": [{"phase": "pretrain"}, {**EPOCH, "epoch": 0}, {**EPOCH, "epoch": 1, "reward": 2.0}],
        "points": points,
        "ways": [{"use": use.tolist(), "images": images}, {"use": use[::-1].tolist(), "images": images[::-1]}],
    }
