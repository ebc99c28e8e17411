"""How many times larger a method's picture is: the one place that says 4."""

SCALE = 4
"""Enlargement of the paper's study, and the default everywhere."""
SCALES = (2, 3, 4, 8)
"""What benchmarks and methods without weights are offered at."""
