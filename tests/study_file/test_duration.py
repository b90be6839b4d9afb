import pytest
from pydantic_core import PydanticCustomError

from mnas_moo.study_file.duration import seconds_of


@pytest.mark.parametrize(("text", "seconds"), [("90 s", 90), ("30min", 1800), ("2 h", 7200), ("0.5 d", 43200)])
def test_a_time_has_a_unit(text, seconds):
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", [30, "30", "min", "0 s", "-3 min", "1e400 d", "30 minutes", None, True, [1]])
def test_anything_else_is_refused(text):
    with pytest.raises(PydanticCustomError, match="such as 30 min"):
        seconds_of(text)
