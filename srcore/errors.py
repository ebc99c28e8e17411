"""The error that all of srcore's own errors are: what is wrong, where, and what to do."""


class SrcoreError(Exception):
    """Something that the caller can put right; the message is one line for a person."""
