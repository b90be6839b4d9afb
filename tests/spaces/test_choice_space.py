from __future__ import annotations

import pickle

import pytest

from mnas_moo.spaces.dppnet import DppNetSpace


def test_spaces_are_equal_where_their_settings_are_and_only_these_are_pickled() -> None:
    space = DppNetSpace(preset="digits")
    assert pickle.loads(pickle.dumps(space)) == space == DppNetSpace(preset="digits")
    assert hash(space) == hash(DppNetSpace(preset="digits"))
    assert space != DppNetSpace(preset="cifar")
    assert space.__getstate__() == {"settings": space.settings}


def test_a_wrong_genome_is_refused_with_the_parameters_name() -> None:
    space = DppNetSpace(preset="digits")
    genome = space.genome(("bn", "conv3x3"))
    with pytest.raises(ValueError, match=r"parameter 'layer1\.norm' is 'ln'; allowed: 'bnrelu', 'bn', 'identity'"):
        space.spec({**genome, "layer1.norm": "ln"})
    with pytest.raises(ValueError, match="parameter 'layer1' is unknown"):
        space.spec({**genome, "layer1": "bn"})
