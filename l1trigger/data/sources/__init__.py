"""Data sources, one file each: a class with ``Options`` (a ``DataSection``) and ``load(options) -> DataSet``.

Found by the entry-point group ``l1trigger.sources``.
"""
