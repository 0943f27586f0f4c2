"""What the graph networks ``garnet`` and ``gravnet`` share; a further one adds its algebra to it.

| module | what it holds |
| --- | --- |
| ``function`` | a quantized stack of graph layers as plain values |
| ``quantized`` | the base of the QKeras twins |
| ``fit`` | types of weights and values, fitted to what a float stack does |
| ``hls`` | the headers in hls4ml's projects |
"""
