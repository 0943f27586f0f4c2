"""What a plugin has to be: one base class per group, abstract where a plugin must say something itself.

| module | base class | group of entry points |
| --- | --- | --- |
| ``source`` | ``Source``: events of a design | ``l1trigger.sources`` |
| ``architecture`` | ``Architecture``, and ``SupervisedArchitecture`` where a truth is learned | ``l1trigger.models`` |
| ``score`` | ``Score``: what goes into firmware, and how it decides | ``l1trigger.scores`` |

Nothing is asked of a plugin that does not stand here. ``l1trigger.testing`` tries whether a plugin keeps its contract.
"""
