"""The compiled kernels: compiled once, kept, and a clear error where that fails."""

import os
import stat

import pytest

from l1trigger import kernels
from l1trigger.engine import library
from l1trigger.errors import ToolFailedError, ToolNotFoundError


@pytest.fixture
def cache(monkeypatch, tmp_path):
    """A cache of one's own, and no library that is loaded already."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    library.load.cache_clear()
    yield tmp_path / "cache" / "l1trigger" / "kernels"
    library.load.cache_clear()


def compiler(path, text):
    path.write_text(f"#!/bin/bash\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def test_compiled_once(cache, monkeypatch, tmp_path):
    count, stub = tmp_path / "count", 'extern "C" int l1trigger_engine_run() { return 0; }'
    monkeypatch.setenv("CXX", compiler(tmp_path / "c++", f"""
        if [ "$1" = --version ]; then echo stub 1; exit; fi
        echo x >> {count}
        echo '{stub}' | g++ -shared -fPIC -x c++ - -o "${{@: -1}}" """))
    library.load("baseline")
    library.load.cache_clear()
    library.load("baseline")
    assert count.read_text() == "x\n"
    assert sorted(p.suffix for p in cache.iterdir()) == [".lock", ".so"]


def test_failing_compiler(cache, monkeypatch, tmp_path):
    monkeypatch.setenv("CXX", compiler(tmp_path / "c++", '[ "$1" = --version ] || { echo no room for it; exit 4; }'))
    with pytest.raises(ToolFailedError, match=r"(?s)exit status 4.*no room for it") as caught:
        library.load("baseline")
    assert caught.value.log.parent == cache
    assert not list(cache.glob("*.so"))


def test_no_compiler(cache, monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(ToolNotFoundError, match="engine.cpp needs the C\\+\\+ compiler 'no-such-compiler'"):
        library.load("baseline")


def test_cache_that_cannot_be_made(cache, monkeypatch, tmp_path):
    (tmp_path / "cache").write_text("a file")
    folder = kernels.cache_folder()
    assert os.access(folder, os.W_OK) and folder.stat().st_mode & 0o077 == 0


def test_levels_are_those_of_the_processor():
    assert kernels.levels()[-1] == "baseline" and set(kernels.levels()) <= set(kernels.LEVELS)
