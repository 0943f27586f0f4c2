"""Graph layers from Keras to firmware: what they all share, whatever they compute.

| module | what it holds |
| --- | --- |
| ``algebra`` | what a kind of graph layer says of itself, and the operations that it is written in |
| ``arrays``, ``tensors``, ``intervals`` | those operations on NumPy, on TensorFlow, and on intervals |
| ``stack`` | a quantized stack of layers as plain values, and its integer semantics |
| ``keras_layers`` | the full-precision Keras layer, and its QKeras twin |
| ``fit`` | types of weights and values, fitted to what a float stack does |
| ``hls``, ``extension`` | headers in hls4ml's projects, and hls4ml's own knowledge of them |

A further graph network is three files: the algebra of its layer with options and architecture (as ``models.garnet``),
the C++ kernel (as ``firmware/hls/garnet.h``; contracts in ``graph.h``), and a design. Another package brings the same,
names the architecture in the entry point ``l1trigger.models``, and says where its header lies.
"""
