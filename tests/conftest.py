"""All tests: TensorFlow is set up before any of them imports it."""

from l1trigger.frameworks import prepare

prepare()
