"""FPGAs: what they hold, and how Yosys calls their family.

Numbers are the vendor's product tables (UltraScale+ DS890, UltraScale DS890, 7 series DS180, Zynq-7000 DS190) for
the whole device; an Alveo card's shell takes a part of it that is not subtracted here.
"""

from __future__ import annotations

from dataclasses import dataclass

from l1trigger.errors import DesignError, nearest


@dataclass(frozen=True)
class Device:
    """What an FPGA holds.

    Attributes:
        family: for Yosys' ``synth_xilinx``.
        lut, ff, dsp: look-up tables, flip-flops, multipliers.
        bram18: block memories of 18 kbit.
    """

    family: str
    lut: int
    ff: int
    dsp: int
    bram18: int


DEVICES = {
    "xcvu9p": Device("xcup", 1_182_240, 2_364_480, 6_840, 4_320),
    "xcvu13p": Device("xcup", 1_728_000, 3_456_000, 12_288, 5_376),
    "xcu250": Device("xcup", 1_728_000, 3_456_000, 12_288, 5_376),
    "xcku115": Device("xcu", 663_360, 1_326_720, 5_520, 4_320),
    "xc7vx690t": Device("xc7", 433_200, 866_400, 3_600, 2_940),
    "xc7z020": Device("xc7", 53_200, 106_400, 220, 280),
}
"""By the beginning of the part number."""


def device(part: str) -> Device:
    """The device of a part number.

    Raises:
        DesignError: it is not in the table.
    """
    for name, entry in DEVICES.items():
        if part.startswith(name):
            return entry
    raise DesignError(
        None, "convert.part", f"the device of '{part}' is not in the table",
        f"take a known one or add it to l1trigger/synth/devices.py. {nearest(part, DEVICES)}",
    )
