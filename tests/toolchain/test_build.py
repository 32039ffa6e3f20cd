"""`make build`: what `sam build` may see, how large a function may be, and when a build is an old one."""

import os
import zipfile
from pathlib import Path

import pytest

from local.built import built
from tools import build, build_stamp
from tools.build_sizes import MB, Size, Sizes, measure, sizes

TEMPLATE = """
Resources:
  CoreLayer:
    Type: AWS::Serverless::LayerVersion
    Properties: { ContentUri: CoreLayer }
  IngestPostsFunction:
    Type: AWS::Serverless::Function
    Properties: { CodeUri: IngestPostsFunction, Layers: [!Ref CoreLayer] }
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A build of one function and one layer."""
    root = tmp_path / "build"
    for name, content in (("CoreLayer/python/one.py", "x" * 1000), ("IngestPostsFunction/app.py", "y" * 10)):
        (root / name).parent.mkdir(parents=True)
        (root / name).write_text(content)
    (root / "template.yaml").write_text(TEMPLATE)
    return root


def test_the_first_python_of_a_build_is_the_one_that_has_nothing_but_pip(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("VIRTUAL_ENV", "/somewhere")
    monkeypatch.setenv("PYTHONPATH", "/somewhere")

    seen = build.environment("arm64")

    assert seen["PATH"].split(os.pathsep)[0] == str(build.PYTHON)
    assert seen["OUTCRY_ARCHITECTURE"] == "arm64"
    assert seen["SAM_CLI_TELEMETRY"] == "0"
    assert {"VIRTUAL_ENV", "PYTHONPATH"} & seen.keys() == set()


def test_sam_never_takes_a_layer_from_its_own_cache_which_does_not_know_the_processor(
    repository: Path,
) -> None:
    assert "cached = false" in (repository / "samconfig.toml").read_text()


def test_a_function_is_as_large_as_its_folder_and_its_layers(folder: Path, tmp_path: Path) -> None:
    (function,) = built(folder)
    found = sizes(folder, tmp_path / "notes.json")

    assert (function.name, list(function.layers)) == ("ingest_posts", ["CoreLayer"])
    assert found.layers["CoreLayer"].unzipped_bytes == 1000
    assert (found.functions["ingest_posts"].files, found.functions["ingest_posts"].unzipped_bytes) == (
        2,
        1010,
    )
    assert [line.split()[0] for line in found.table()] == ["MB", "CoreLayer", "ingest_posts"]


def test_a_function_that_comes_near_to_what_lambda_takes_is_named() -> None:
    fits, too_large = Size(1, 200 * MB, 1), Size(1, 200 * MB + 1, 1)

    sentences = Sizes({}, {"tick": fits, "execute_orders": too_large}).too_large()

    assert len(sentences) == 1
    assert sentences[0].startswith("execute_orders is 200.0 MB unzipped with its layers, more than 200 MB")


def test_a_zipped_size_is_that_of_the_archive(folder: Path, tmp_path: Path) -> None:
    archive = tmp_path / "layer.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as written:
        written.write(folder / "CoreLayer" / "python" / "one.py", "python/one.py")

    found = measure(folder / "CoreLayer", {})

    # an archive that cannot be rewound has a descriptor of at most 24 bytes behind each file
    assert 0 <= found.zipped_bytes - archive.stat().st_size <= 24


def test_what_did_not_change_is_not_zipped_again(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes = tmp_path / "notes.json"
    first = sizes(folder, notes)
    monkeypatch.setattr(zipfile, "ZipFile", None)

    again = sizes(folder, notes)

    assert again == first


def test_a_build_is_old_when_a_source_changed_and_not_when_python_ran(tmp_path: Path) -> None:
    module = tmp_path / "functions" / "tick" / "app.py"
    module.parent.mkdir(parents=True)
    module.write_text("one")
    made = build_stamp.stamp(tmp_path, "x86_64")
    made.write(tmp_path / "built.json")

    (module.parent / "__pycache__").mkdir()
    (module.parent / "__pycache__" / "app.cpython-313.pyc").write_text("")
    after_a_run = build_stamp.stamp(tmp_path, "x86_64")
    module.write_text("two")
    after_a_change = build_stamp.stamp(tmp_path, "x86_64")

    assert build_stamp.read(tmp_path / "built.json") == made == after_a_run != after_a_change
    assert build_stamp.read(tmp_path / "none.json") is None
