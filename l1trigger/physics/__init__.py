"""Physics of a trigger: ROC, rates, turn-on, baselines, and the figures made of them (see ``measure``)."""
