"""The engines, for tests that take `engine`."""

import pytest
from cases import ENGINES


@pytest.fixture(params=ENGINES)
def engine(request):
    """The name of each engine; a missing one is a skip that says why."""
    return request.param
