"""Every plugin of this package keeps its contract: a tiny design of each goes through all stages."""

import pytest
import tiny_designs

from l1trigger import testing
from l1trigger.design import PLUGIN_SECTIONS


@pytest.mark.slow
@pytest.mark.parametrize("name", tiny_designs.ALL)
def test_a_tiny_design_goes_through_every_stage(name, tmp_path):
    testing.check_design(tiny_designs.ALL[name](tmp_path), tmp_path / "runs")


@pytest.mark.parametrize("section", PLUGIN_SECTIONS)
def test_every_registered_plugin_is_in_a_tiny_design(section, tmp_path):
    group = PLUGIN_SECTIONS[section]
    tried = {made(tmp_path)[section][group.key] for made in tiny_designs.ALL.values()}
    assert tried == set(group.names()), "give it a design in tests/helpers/tiny_designs.py"
