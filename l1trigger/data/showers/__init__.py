"""Calorimeter showers: a sampling calorimeter in Geant4, soft showers overlaid, and hits as hardware integers.

``geometry`` says what the calorimeter and its hits are, ``geant4`` simulates it, ``simulation`` makes seeded chunks,
``clusters`` turns deposits into hits, ``packed`` is the small file that ships, ``make`` puts them together.
"""
