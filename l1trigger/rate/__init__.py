"""``l1trigger rate``: rates from very many crossings, scored by the engine."""
