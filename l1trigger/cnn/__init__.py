"""Streaming RTL of convolutional networks: a few pixels per clock, line buffers, and one window per lane.

``rasters`` says at which clock each pixel of each image comes, ``plan`` divides a network into blocks, ``rtl`` makes
the engine of them.
"""
