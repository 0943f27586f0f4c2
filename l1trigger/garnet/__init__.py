"""GarNet, the distance-weighted graph network (arXiv:1902.07987, arXiv:2008.03601), from Keras layers to firmware.

| module | what it holds |
| --- | --- |
| ``layers`` | the full-precision Keras layers ``GarNet`` and ``GarNetStack`` |
| ``function`` | the quantized stack as plain values, and its integer semantics: what all levels must equal |
| ``quantized`` | the QKeras twin, for quantization-aware training |
| ``fit`` | from a float stack to a quantized one: transforms folded, binary points fitted |
| ``hls`` | the kernel for hls4ml's projects |
| ``rtl``, ``engine`` | the streaming engine, and that of a whole trigger function |
"""
