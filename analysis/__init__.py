"""Statistics of rating studies: from a ratings table to MOS, tests, reliability, recovery and a report."""

__version__ = "0.1.0"
