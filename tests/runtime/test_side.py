"""LONG and SHORT."""

import pytest

from outcry.runtime.side import Side


@pytest.mark.parametrize(("side", "sign"), [(Side.LONG, 1), (Side.SHORT, -1)])
def test_each_side_has_its_sign_and_an_opposite(side: Side, sign: int) -> None:
    assert side.sign == sign
    assert side.opposite.sign == -sign
    assert side.opposite.opposite is side
