"""What the tests of models share: twins of published models, where torch and its friends are installed."""

import importlib.util
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from workshop import Twins

NEEDED = ("torch", "transformers", "onnx", "onnxscript", "sentence_transformers", "model2vec")
MISSING = [name for name in NEEDED if importlib.util.find_spec(name) is None]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip, each counted, what needs packages that are not here; those warn of themselves, and take their time."""
    for item in items:
        if item.get_closest_marker("torch"):
            reason = f"{', '.join(MISSING)} not installed: run `make test-models`"
            item.add_marker(pytest.mark.skipif(bool(MISSING), reason=reason))
            item.add_marker(pytest.mark.filterwarnings("ignore"))
            item.add_marker(pytest.mark.timeout(600))


@pytest.fixture(scope="session")
def all_twins(tmp_path_factory: pytest.TempPathFactory) -> "Twins":
    from workshop import Twins

    return Twins(tmp_path_factory.mktemp("twins"))
