"""How a GPU computes what is not in half precision: set for each piece of work, and said in records. Loads torch."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch


class Arithmetic(NamedTuple):
    """Whether float32 convolutions may be rounded to TF32's 10 bits; matrix products never are.

    cuDNN's algorithms are always those that give the same sums each time, and are not chosen by timing them. On a CPU
    nothing of it matters.
    """

    tf32: bool

    def __str__(self) -> str:
        return f"{'TF32 in convolutions' if self.tf32 else 'no TF32'}, deterministic cuDNN"

    @contextmanager
    def set(self) -> Iterator[None]:
        """Compute so in this block; what was set before is set again after it."""
        products = torch.backends.cuda.matmul
        before, products.allow_tf32 = products.allow_tf32, False
        try:
            with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=self.tf32):
                yield
        finally:
            products.allow_tf32 = before


PICTURES = Arithmetic(tf32=False)
"""Of making pictures: float32 is for where float16 does not do."""
