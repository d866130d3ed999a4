"""The examples for CI systems: they are what those systems read, and their commands work, job by job, on real kernels.

Guards: an example that nobody runs is wrong after the next change. What is run is taken from the files. Left out is only what
installs: the packages are those of the Makefile, and ksem comes from where the tests have it. The schemas of the CI systems are
those that check-jsonschema brings; no runner of theirs is used.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import project
import pytest
import yaml

from ksem import catalog, store

CI = project.ROOT / "docs" / "ci"
GITHUB, GITLAB = CI / "github-actions.yml", CI / "gitlab-ci.yml"
COLUMNS = ["debian-5.10", "debian-6.12"]
CATALOG = "".join(f'["{name}"]\nbackend = "qemu"\nkernel = "debian:{name[7:]}"\n' for name in COLUMNS)
DESIGN = '''title = "A design"
about = "Root is root."
[[claim]]
case = "made.fine"
observation = {uid = 0}
reason = "It is root."
'''
INSTALLS = re.compile(r"apt-get update && |python3 -m venv \.venv && \.venv/bin/pip install \.$")


def loaded(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


class Checkout:
    """A project as a job finds it, with ksem installed, and as many jobs as one likes, each with a copy of its own."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.made = project.make(directory / "project", fine=project.FINE)
        for path, text in (("vms/catalog.toml", CATALOG), ("designs/guix-daemon.toml", DESIGN)):
            (self.made / path).parent.mkdir()
            (self.made / path).write_text(text)
        bin_ = self.made / ".venv" / "bin"
        bin_.mkdir(parents=True)
        (bin_ / "ksem").write_text(f'#!/bin/sh\nexec {" ".join(project.COMMAND)} "$@"\n')
        (bin_ / "ksem").chmod(0o755)

    def job(self, name: str) -> Path:
        return Path(shutil.copytree(self.made, self.directory / name))


def run(script: str, job: Path, **variables: str) -> str:
    """A step's commands, but for those that install, as a runner gives them to a shell; what they print."""
    lines = [line for line in script.splitlines() if not INSTALLS.search(line)]
    done = subprocess.run(["sh", "-e", "-c", "\n".join(lines)], cwd=job, env=project.environment() | variables,
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (script, done.stdout, done.stderr)
    return done.stdout


def evaluated(text: str, values: Mapping[str, str]) -> str:
    """A text with GitHub's expressions replaced; KeyError for one that a test does not know."""
    return re.sub(r"\$\{\{ (.*?) \}\}", lambda match: values[match[1]], text)


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """With the evidence of one run committed."""
    found = Checkout(tmp_path)
    run(".venv/bin/ksem run", found.made)
    return found


@pytest.mark.parametrize(("path", "schema"), [(GITHUB, "github-workflows"), (GITLAB, "gitlab-ci")])
def test_an_example_is_what_its_ci_system_reads(path: Path, schema: str) -> None:
    checked = subprocess.run([sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}", path],
                             capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout


def test_the_packages_are_those_that_the_makefile_installs() -> None:
    makefile = (project.ROOT / "Makefile").read_text()
    [wanted] = re.findall(r"^PACKAGES := (.*)$", makefile, re.MULTILINE)
    assert wanted in GITHUB.read_text()
    assert loaded(GITLAB)["column"]["variables"]["PACKAGES"] == wanted


def test_gitlab_has_every_column_of_the_catalogue() -> None:
    [matrix] = loaded(GITLAB)["column"]["parallel"]["matrix"]
    assert list(matrix) == ["COLUMN"]
    if told := unlike(matrix["COLUMN"], [one.name for one in catalog.entries(project.ROOT) if one.default]):
        pytest.fail(told, pytrace=False)


def unlike(listed: list[str], wanted: list[str]) -> str:
    """What to do about the columns of GitLab's jobs, in a line; "" where they are those of a run that names none."""
    where = "COLUMN of docs/ci/gitlab-ci.yml"
    told = [f"add {one} to {where}" for one in wanted if one not in listed]
    told += [f"take {one} out of {where}" for one in listed if one not in wanted]
    return "; ".join(told) or ("" if listed == wanted else f"have {where} in the order of vms/catalog.toml, each once")


def test_a_column_that_gitlab_lacks_is_named_in_a_line() -> None:
    assert unlike(["a", "b"], ["a", "b"]) == ""
    assert unlike(["a", "b"], ["a", "c", "b"]) == "add c to COLUMN of docs/ci/gitlab-ci.yml"
    assert unlike(["a", "b"], ["a"]) == "take b out of COLUMN of docs/ci/gitlab-ci.yml"
    assert unlike(["a", "b"], ["b", "a"]) == "have COLUMN of docs/ci/gitlab-ci.yml in the order of vms/catalog.toml, each once"
    assert "each once" in unlike(["a", "a"], ["a"])


def test_the_jobs_of_github_do_what_they_say(checkout: Checkout, tmp_path: Path) -> None:
    jobs = loaded(GITHUB)["jobs"]
    assert list(jobs) == ["columns", "column", "matrix"]
    output = tmp_path / "output"
    github_job(jobs["columns"], checkout.job("columns"), {}, {}, {"GITHUB_OUTPUT": str(output)})
    name, _, columns = output.read_text().strip().partition("=")
    assert json.loads(columns) == COLUMNS
    assert jobs["columns"]["outputs"] == {name: f"${{{{ steps.list.outputs.{name} }}}}"}
    assert jobs["column"]["strategy"]["matrix"] == {"column": f"${{{{ fromJSON(needs.columns.outputs.{name}) }}}}"}
    artifacts: dict[str, Path] = {}
    for column in json.loads(columns):
        values = {"matrix.column": column}
        variables = {key: evaluated(value, values) for key, value in jobs["column"]["env"].items()}
        github_job(jobs["column"], checkout.job(f"column-{column}"), artifacts, values, variables)
    assert list(artifacts) == [f"shard-{column}" for column in COLUMNS]
    merged = checkout.job("matrix")
    github_job(jobs["matrix"], merged, artifacts, {}, {})
    as_one_run(merged)


def github_job(job: Mapping[str, Any], place: Path, artifacts: dict[str, Path], values: Mapping[str, str],
               variables: Mapping[str, str]) -> None:
    """The steps of a job, with what actions/upload-artifact and download-artifact do."""
    for step in job["steps"]:
        action, given = step.get("uses", "").partition("@")[0], step.get("with", {})
        if action == "actions/upload-artifact":
            paths = given["path"].split()
            assert all((place / path).exists() for path in paths)
            # Of a single directory the content is kept, without its name.
            artifacts[evaluated(given["name"], values)] = place / paths[0]
        elif action == "actions/download-artifact":
            assert given["merge-multiple"] is True
            for name, source in artifacts.items():
                if Path(name).match(given["pattern"]):
                    shutil.copytree(source, place / given["path"], dirs_exist_ok=True)
        else:
            assert "run" in step or action == "actions/checkout"
            run(step.get("run", ""), place, **variables)


def test_the_jobs_of_gitlab_do_what_they_say(checkout: Checkout) -> None:
    jobs = loaded(GITLAB)
    assert jobs["stages"] == ["columns", "matrix", "gates"]
    [key] = jobs["column"]["parallel"]["matrix"][0]
    merged = checkout.job("later")
    for column in COLUMNS:
        place = checkout.job(f"column-{column}")
        gitlab_job(jobs, "column", place, {key: column})
        # Later stages get what all jobs of earlier ones have kept.
        for path in jobs["column"]["artifacts"]["paths"]:
            shutil.copytree(place / path, merged / path, dirs_exist_ok=True)
    for name in ("matrix", "diff", "decide"):
        gitlab_job(jobs, name, merged, {})
    assert all((merged / path).exists() for path in jobs["matrix"]["artifacts"]["paths"])
    as_one_run(merged)


def gitlab_job(jobs: Mapping[str, Any], name: str, place: Path, variables: Mapping[str, str]) -> None:
    job = jobs[name]
    run("\n".join([*jobs[job["extends"]]["before_script"], *job["script"]]), place, **variables)


def as_one_run(place: Path) -> None:
    """The merged evidence is that of the one run, byte for byte."""
    def evidence(directory: Path) -> dict[str, bytes]:
        return {str(path.relative_to(directory)): path.read_bytes() for path in sorted(directory.rglob("*.json"))}
    assert evidence(place / "merged") == evidence(place / "results") != {}
    assert [one.column for one in store.read(place / "merged")] == COLUMNS
    assert (place / "matrix.html").read_text().startswith("<!doctype html>")


def test_the_gates_fail_when_a_kernel_behaves_otherwise(checkout: Checkout) -> None:
    """A gate that is always open would be none."""
    path = checkout.made / "results" / f"{COLUMNS[0]}.json"
    (checkout.made / "merged").mkdir()
    text = path.read_text()
    (checkout.made / "merged" / path.name).write_text(text.replace('{"uid": 0}', '{"uid": 7}'))
    shutil.copytree(checkout.made / "results" / "traces", checkout.made / "merged" / "traces")
    gates = [step["run"] for step in loaded(GITHUB)["jobs"]["matrix"]["steps"] if " merged" in step.get("run", "")][1:]
    gates += [line for name in ("diff", "decide") for line in loaded(GITLAB)[name]["script"]]
    assert len(gates) == 4
    for gate in gates:
        assert subprocess.run(["sh", "-e", "-c", gate], cwd=checkout.made, env=project.environment() | dict(os.environ),
                              capture_output=True, check=False).returncode == 1
