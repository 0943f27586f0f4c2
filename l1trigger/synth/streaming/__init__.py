"""Streaming RTL: a few pixels or vertices per clock through blocks that are synthesized one by one.

``machine`` drives and judges an engine; ``images`` and ``garnet`` make one. For images, ``rasters`` says at which clock
each pixel comes, ``plan`` divides a network into blocks, and ``images_rtl`` makes the engine of them.
"""
