"""Wires the packages together: command line, settings, run session, graph.

Importing it makes sure that its own packages are found, whatever else has their names.
"""

from harness.packages import claim

claim()
