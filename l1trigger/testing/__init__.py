"""Whether a plugin keeps its contract: checks for the tests of whoever writes one.

Those of sources, architectures and scores take a tiny design, as the content of a design file, through every stage,
data to report, with all results saved and loaded in between::

    from l1trigger import testing

    def test_my_network(tmp_path):
        testing.check_architecture({"name": "tiny", "model": {"architecture": "mine"}, ...}, tmp_path)

A few hundred events, one or two epochs and ``synth: {yosys: false, per_layer: false}`` make that a matter of seconds.

``check_synthesizer`` tries a synthesizer on a few lines of Verilog.
"""

from l1trigger.testing.contract import ContractError
from l1trigger.testing.designs import check_architecture, check_design, check_score, check_source
from l1trigger.testing.synthesizers import check_synthesizer

__all__ = [
    "ContractError", "check_architecture", "check_design", "check_score", "check_source", "check_synthesizer",
]
