"""SelfExSR: super-resolution from transformed self-exemplars (Huang, Singh and Ahuja, CVPR 2015).

The picture is its own training set: each patch of it, enlarged by 2^(1/3), is replaced by a similar patch that lies
elsewhere in the picture or in a smaller copy of it, seen through an affine transform. Six such steps make 4x.

The paper's planes, found from vanishing points, are left out. With a detector (Canny, Hough segments, RANSAC for up to
three vanishing points) they changed PSNR on eight buildings of BSD100 by -0.28 to +0.02 dB, -0.05 in the mean, and by
-0.04 in the mean when the lines were found in the HR picture: LR pictures of 120 x 80 pixels show too few.
"""

from collections.abc import Callable
from math import prod

import numpy as np

from srcore.images import Pixels, as_rgb
from srcore.methods.selfexsr.jit import Bands
from srcore.methods.selfexsr.matching import RADIUS
from srcore.methods.selfexsr.pyramid import INPUT_LEVEL, TARGET_LEVEL, Pyramid, back_project
from srcore.methods.selfexsr.step import Step

ITERATIONS = 12


def upscale(
    lr: Pixels,
    *,
    iterations: int | None = None,
    seed: int = 0,
    progress: Callable[[float], None] | None = None,
) -> Pixels:
    """uint8 (H, W, 3) RGB or (H, W) grey -> the same layout, 4 times higher and wider.

    `iterations`, by default 12, is the number of search rounds of the first step (see `schedule`). The same seed
    gives the same picture, whatever the number of cores. `progress` is called, in this thread, with the share of the
    work that is done, rising to 1; an exception that it raises ends the work. Raises ImageError for any other array
    and ValueError for fewer than one iteration or a negative seed.
    """
    rounds = schedule(ITERATIONS if iterations is None else iterations)
    if seed < 0:
        raise ValueError(f"the seed must be 0 or more, not {seed}")
    pyramid = Pyramid(as_rgb(lr).astype(np.float32) / np.float32(255))
    work = _Work(pyramid, rounds, progress)
    image, states = pyramid.lr, None
    with Bands() as bands:
        for level, times in rounds.items():
            image = pyramid.enlarged(level)
            if min(image.shape[:2]) > 2 * RADIUS:  # a patch fits
                step = Step(image, pyramid, level, states, bands)
                for number in range(times):
                    step.search(_key(seed, level, number))
                    work.done(level)
                image, states = step.picture(), step.states
            image = back_project(image, pyramid.lr)
            pyramid.add(level, image)
            work.done(level)
    result = np.floor(image * 255 + 0.5).astype(np.uint8)
    return result if lr.ndim == 3 else np.ascontiguousarray(result[:, :, 0])


def schedule(iterations: int) -> dict[int, int]:
    """Search rounds at each of the levels 9 to 4: three fewer each time, but at least three, or `iterations` if fewer.

    12 gives the authors' 12, 9, 6, 3, 3, 3. Raises ValueError for fewer than 1.
    """
    if iterations < 1:
        raise ValueError(f"SelfExSR needs at least 1 iteration, not {iterations}")
    levels = range(INPUT_LEVEL - 1, TARGET_LEVEL - 1, -1)
    return {level: max(iterations - 3 * n, min(iterations, 3)) for n, level in enumerate(levels)}


def _key(seed: int, level: int, number: int) -> int:
    return int(np.random.SeedSequence((seed, level, number)).generate_state(1, np.uint64)[0])


class _Work:
    """How much is done: a round costs as much as its level has pixels, and so does all that follows the last."""

    def __init__(self, pyramid: Pyramid, rounds: dict[int, int], progress: Callable[[float], None] | None) -> None:
        self._pixels = {level: prod(pyramid.sizes[level]) for level in rounds}
        self._total = sum(pixels * (rounds[level] + 1) for level, pixels in self._pixels.items())
        self._done = 0
        self._progress = progress

    def done(self, level: int) -> None:
        self._done += self._pixels[level]
        if self._progress:
            self._progress(self._done / self._total)
