"""What can be wrong with a backup."""


class SafekeepingError(Exception):
    """Nothing was done; the message says what is wrong and what to do."""
