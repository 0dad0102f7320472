"""Models whose answers are known in closed form, built by hand."""

import pytest
from exact_models import LinearGaussian


@pytest.fixture
def linear_gaussian():
    return LinearGaussian()
