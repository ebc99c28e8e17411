"""How long making one image may take."""

# A hung method must end some day. By far longer than any needs: DRCN takes a minute for a BSD100 picture on a CPU.
SECONDS_A_PICTURE, SECONDS_A_MEGAPIXEL = 1800, 3600


def seconds_allowed(width: int, height: int) -> int:
    """After how long a method is stopped on a picture of this size."""
    return round(SECONDS_A_PICTURE + SECONDS_A_MEGAPIXEL * width * height / 1e6)
