import shutil

import pytest
import toy_trigger as toy

from l1trigger.csim import compile


@pytest.fixture(scope="session")
def function():
    return toy.trigger()


@pytest.fixture(scope="session")
def project(function, tmp_path_factory):
    """One converted project that tests may read but not change."""
    return toy.convert(function, tmp_path_factory.mktemp("convert"), toy.events(200))


@pytest.fixture(scope="session")
def executable(project, tmp_path_factory):
    """The project, compiled once."""
    return compile.build(project, toy.design().csim, tmp_path_factory.mktemp("csim") / "checkpoints")


@pytest.fixture
def copied(project, tmp_path):
    """A project of one's own."""
    from dataclasses import replace

    shutil.copytree(project.project, tmp_path / "project")
    return replace(project, project=tmp_path / "project")
