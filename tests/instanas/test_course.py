from __future__ import annotations

from mnas_moo.instanas.course import kept


def points(*pairs: tuple[float, float]) -> list[dict[str, float]]:
    return [{"accuracy": accuracy, "latency_ms": ms} for accuracy, ms in pairs]


def test_only_the_front_is_kept() -> None:
    assert kept(points((0.5, 3.0), (0.6, 3.0), (0.4, 1.0), (0.3, 2.0)), 5) == points((0.6, 3.0), (0.4, 1.0))


def test_of_too_many_the_one_that_adds_least_goes() -> None:
    crowd = points((0.2, 1.0), (0.5, 2.0), (0.51, 2.05), (0.8, 4.0))
    assert kept(crowd, 3) in (points((0.2, 1.0), (0.5, 2.0), (0.8, 4.0)), points((0.2, 1.0), (0.51, 2.05), (0.8, 4.0)))
    assert len(kept(crowd, 1)) == 1
