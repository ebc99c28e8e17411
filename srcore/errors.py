"""What srcore's own errors have in common, and the one that others must name without loading torch."""


class SrcoreError(Exception):
    """Something that the caller can put right; the message is one line for a person."""


class TimeLimitExceeded(SrcoreError, RuntimeError):
    """The work was given up because it took longer than its limit."""
