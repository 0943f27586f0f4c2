"""Data sources, one file each; see ``l1trigger.contracts.source``."""
