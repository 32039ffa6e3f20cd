"""How long each built function takes to be ready and how much memory that needs; no verdict on a busy machine's speed."""

from pathlib import Path

import pytest

from local.built import Built
from tests.runtime_tier.figures import EMPTY, STARTS, Figures, measure
from tools.build import BUILD, NOTES
from tools.build_sizes import LAMBDA_MB, MB, sizes

MEMORY_MB = 512  # of the smallest function of the template


@pytest.fixture
def empty(tmp_path: Path) -> Built:
    """A function that does nothing and has no layer."""
    (tmp_path / "app.py").write_text("def handler(event, context):\n    return {}\n")
    return Built(EMPTY, tmp_path, {})


def test_every_built_function_is_ready_in_the_time_and_memory_that_lambda_gives_it(
    functions: dict[str, Built], empty: Built, tmp_path: Path, figures: Figures
) -> None:
    package_mb = {name: size.unzipped_bytes / MB for name, size in sizes(BUILD, NOTES).functions.items()}

    figures.by_name = measure([empty, *functions.values()], package_mb, tmp_path)

    figures.write(BUILD.parent / "runtime.json")
    assert set(figures.by_name) == {EMPTY, *functions}
    for measured in figures.by_name.values():
        assert len(measured.init_s) == STARTS
        assert min(measured.init_s) < 10.0  # what Lambda allows for an initialisation
        assert max(measured.memory_mb) < MEMORY_MB
        assert measured.package_mb < LAMBDA_MB
