"""GravNet, the graph network of nearest neighbours in a learned space (arXiv:1902.07987), from Keras to HLS.

| module | what it holds |
| --- | --- |
| ``layers`` | the full-precision Keras layers ``GravNet`` and ``GravNetStack`` |
| ``function`` | the quantized stack as plain values, and its integer semantics: what all levels must equal |
| ``quantized`` | the QKeras twin, for quantization-aware training |
| ``fit`` | from a float stack to a quantized one: binary points fitted |
| ``hls`` | the kernel for hls4ml's projects |

There is no streaming engine for it: the distances of all pairs of vertices need the whole event.
"""
