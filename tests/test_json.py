"""The JSON that others read: as its published schema says, for every matrix; and the stored evidence as its own schemas say.

Guards: a field that somebody relies on does not go or change its type; a field that nobody described does not come.
"""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

import jsonschema
import project
import pytest
from matrices import MATRICES, MIXED

from ksem.matrix import Matrix
from ksem.renderers import renderer

RESULTS = project.ROOT / "results"


def text(name: str) -> Any:
    """A schema as it is shipped."""
    return json.loads(resources.files("ksem").joinpath("schemas", f"{name}.schema.json").read_text())


def schema(name: str) -> jsonschema.Draft202012Validator:
    """What checks by a schema that is one itself."""
    jsonschema.Draft202012Validator.check_schema(text(name))
    return jsonschema.Draft202012Validator(text(name))


def rendered(matrix: Matrix) -> Any:
    """A matrix as whoever reads the JSON has it."""
    return json.loads(renderer("json")(matrix))


@pytest.mark.parametrize("matrix", MATRICES.values(), ids=MATRICES.keys())
def test_every_matrix_is_as_the_schema_says(matrix: Matrix) -> None:
    schema("matrix").validate(rendered(matrix))


def test_the_schema_describes_every_field() -> None:
    described = text("matrix")["$defs"]["cell"]
    assert set(rendered(MIXED)[0]) == set(described["properties"]) == set(described["required"])


@pytest.mark.parametrize("change", [{"verdict": "fine"}, {"observed": None}, {"observed": "old"}, {"case": ""},
                                    {"release": 6.12}, {"params": {"flag": ["ro"]}}])
def test_the_schema_refuses_what_is_wrong(change: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        schema("matrix").validate([{**rendered(MIXED)[0], **change}])


def test_a_field_less_is_refused() -> None:
    for name in (one := rendered(MIXED)[0]):
        with pytest.raises(jsonschema.ValidationError):
            schema("matrix").validate([{key: value for key, value in one.items() if key != name}])


@pytest.mark.parametrize(("name", "files"), [("results", "*.json"), ("traces", "traces/*.json")])
def test_the_stored_evidence_is_as_its_schema_says(name: str, files: str) -> None:
    checker, paths = schema(name), sorted(RESULTS.glob(files))
    assert paths
    for path in paths:
        checker.validate(json.loads(path.read_text()))


def test_json_is_an_object_a_cell() -> None:
    found = rendered(MIXED)
    assert [(one["column"], one["release"], one["params"], one["verdict"], one["observed"]) for one in found] == [
        ("debian-6.1", "6.1", {"flag": "ro"}, "conforms", {"is": "old"}),
        ("debian-6.12", "6.12", {"flag": "ro"}, "differs", {"is": "old"}),
        ("debian-6.1", "6.1", {"flag": "nosuid"}, "unsupported", None),
        ("debian-6.12", "6.12", {"flag": "nosuid"}, "conforms", {"is": "new"})]
    assert {one["case"] for one in found} == {"area.thing"}
    assert {one["reason"] for one in found if one["verdict"] == "unsupported"} == {"no such call"}


def test_json_of_nothing_is_an_empty_list() -> None:
    assert rendered(MATRICES["nothing"]) == []


def test_json_is_a_cell_a_line() -> None:
    lines = renderer("json")(MIXED).splitlines()
    assert (lines[0], lines[-1], len(lines)) == ("[", "]", 6)
