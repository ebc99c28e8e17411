"""Crops with their LR images, made in batches on the device, where the decoded photographs lie.

Which crops an update gets depends on the seed and the update's number alone, so a run in legs sees the same ones.
"""

import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from srcore.images import ImageError, Pixels
from srcore.resize_torch import shrinking_matrix
from srcore.scale import SCALE
from srcore.training.limits import memory_bytes
from srcore.training.photos import Photo, decode

_REACH = 8  # HR pixels that an LR pixel sees beyond its own four
_BLOCK = 256  # updates whose random numbers are drawn at once
_TURN = 32  # photographs that each process decodes before all exchange them


class Batch(NamedTuple):
    """`lr` (N, 3, h + 2m, w + 2m) with its margin m, `hr` (N, 3, 4h, 4w); float32 in [0, 1]."""

    lr: Tensor
    hr: Tensor


class Shard(NamedTuple):
    """Decoded photographs on the device: all their pixels (P, 3) uint8, and a row (start, height, width) for each."""

    pixels: Tensor
    table: Tensor
    first: int
    after: int


class Crops:
    """Random crops, turned and mirrored, of as many photographs as fit into `memory` bytes of the device.

    If not all fit, a shard of them stays on the device until every pixel has been drawn about once, while the next
    one is decoded. A batch's crops come from distinct photographs as long as there are as many.

    Every process of several holds the same photographs; each decodes its share of them and gives it to the others by
    `exchange` (that of `Processes`).
    """

    def __init__(
        self,
        photos: list[Photo],
        *,
        batch: int,
        lr_size: int,
        lr_margin: int = 0,
        device: torch.device,
        seed: int = 0,
        memory: int | None = None,
        rank: int = 0,
        world: int = 1,
        exchange: Callable[[Any], list[Any]] | None = None,
    ) -> None:
        self.batch, self.lr_size, self.lr_margin, self.device, self.seed = batch, lr_size, lr_margin, device, seed
        self.rank, self.world, self._exchange = rank, world, exchange
        self.window = SCALE * (lr_size + 2 * lr_margin) + 2 * _REACH  # HR pixels a crop is made from
        self._matrix = shrinking_matrix(SCALE * (lr_size + 2 * lr_margin), SCALE, _REACH, device)
        self._memory = memory or free_memory(device)
        order = torch.randperm(len(photos), generator=random_generator(seed, 0, 0)).tolist()
        self._photos = [photos[i] for i in order]
        self._pool = ThreadPoolExecutor(1)
        self._next: Future[Shard] | None = None
        self._draws: tuple[int, Tensor] = (-1, torch.empty(0))
        self._loaded: Shard | None = None
        self._first, self.since = 0, 0
        self._passed_over: set[Photo] = set()

    @property
    def shard(self) -> Shard:
        """The photographs on the device now; decoded when they are first asked for."""
        if self._loaded is None:
            self._loaded = self._load(self._first)
            self._fetch_next()
        return self._loaded

    @property
    def all_fit(self) -> bool:
        """Whether every photograph is on the device at once."""
        return self.shard.after - self.shard.first >= len(self._photos)

    @property
    def given(self) -> int:
        """How many photographs there were to choose from."""
        return len(self._photos)

    @property
    def photographs(self) -> int:
        """How many there are in all that crops come from: without those found unreadable or too small so far."""
        return len(self._photos) - len(self._passed_over)

    @property
    def lasts(self) -> int:
        """For how many updates a shard is used: until its pixels have been drawn once on average."""
        drawn = self.batch * self.world * (SCALE * self.lr_size) ** 2
        return max(1, self.shard.pixels.shape[0] // drawn)

    def state(self) -> dict[str, int]:
        """What to go on from after a pause, besides the update's number."""
        return {"first": self.shard.first, "since": self.since, "memory": self._memory}

    def resume(self, state: dict[str, int]) -> None:
        """Go on where `state` was taken; before the first crop."""
        self._memory, self.since, self._first = state["memory"], state["since"], state["first"]

    def places(self, update: int) -> Tensor:
        """int64 (N, 5) on the device: where this update's crops lie. Row: start, row stride, top, left, symmetry."""
        if not self.all_fit and update - self.since >= self.lasts:
            if self._next is None:
                raise RuntimeError("the next photographs were not asked for")
            self._loaded, self.since = self._next.result(), update
            self._draws = (-1, torch.empty(0))
            self._fetch_next()
        block, row = divmod(update, _BLOCK)
        if self._draws[0] != block:
            self._draws = (block, self._draw(block).to(self.device))
        mine = slice(self.rank * self.batch, (self.rank + 1) * self.batch)
        return self._draws[1][row, mine]

    def cut(self, places: Tensor) -> Batch:
        """The crops at these places, with the LR images that the whole pictures would have; on the device alone."""
        start, stride, top, left, symmetry = (column.view(-1, 1, 1) for column in places.T)
        along = torch.arange(self.window, device=self.device)
        row, column = along.view(1, -1, 1), along.view(1, 1, -1)
        row, column = torch.where(symmetry & 4 > 0, column, row), torch.where(symmetry & 4 > 0, row, column)
        row = torch.where(symmetry & 1 > 0, self.window - 1 - row, row)
        column = torch.where(symmetry & 2 > 0, self.window - 1 - column, column)
        window = self.shard.pixels[start + (top + row) * stride + left + column]  # (N, window, window, 3)
        hr = window.permute(0, 3, 1, 2).float()
        with torch.autocast(self.device.type, enabled=False):
            lr = _rounded(_rounded(self._matrix.T @ hr) @ self._matrix)
        edge = _REACH + SCALE * self.lr_margin
        return Batch(lr / 255, hr[:, :, edge:-edge, edge:-edge] / 255)

    def batch_of(self, update: int) -> Batch:
        """The crops of one update."""
        return self.cut(self.places(update))

    def _draw(self, block: int) -> Tensor:
        """(updates, batch of all processes, 5)."""
        table, count = self.shard.table, self.batch * self.world
        generator = random_generator(self.seed, 1, block)
        random = torch.rand(_BLOCK, count, 3, generator=generator, dtype=torch.float64)
        chosen = torch.stack([self._distinct(block * _BLOCK + row, len(table), count) for row in range(_BLOCK)])
        start, height, width = table[chosen].unbind(-1)
        top = (random[..., 0] * (height - self.window + 1)).long()
        left = (random[..., 1] * (width - self.window + 1)).long()
        return torch.stack([start, width, top, left, (random[..., 2] * 8).long()], dim=-1)

    def _distinct(self, update: int, photos: int, count: int) -> Tensor:
        """Which photographs an update takes: the next ones of a random order that is drawn anew when it is used up."""
        if photos < count:
            return torch.randint(photos, (count,), generator=random_generator(self.seed, 2, update))
        epoch, place = divmod(update, photos // count)
        key = (epoch, photos)
        if getattr(self, "_order_key", None) != key:
            self._order_key, self._order = key, torch.randperm(photos, generator=random_generator(self.seed, 3, epoch))
        return self._order[place * count : (place + 1) * count]

    def _fetch_next(self) -> None:
        if not self.all_fit:
            self._next = self._pool.submit(self._load, self.shard.after % len(self._photos))

    def _load(self, first: int) -> Shard:
        """Decode photographs, from number `first` on and round again, until the memory or their number is reached."""
        pictures: list[Pixels] = []
        used, taken = 0, 0
        following = [self._photos[(first + i) % len(self._photos)] for i in range(len(self._photos))]
        for photo, pixels in self._decoded(following):
            if isinstance(pixels, ImageError):
                if photo not in self._passed_over:
                    warnings.warn(f"passed over: {pixels}", stacklevel=2)
                self._passed_over.add(photo)
            elif min(pixels.shape[:2]) < self.window:
                self._passed_over.add(photo)
            else:
                if pictures and used + pixels.nbytes > self._memory:
                    break
                pictures.append(pixels)
                used += pixels.nbytes
            taken += 1
        if not pictures:
            raise ImageError(
                f"none of the {len(following)} photographs can be read and has {self.window} pixels a side"
            )
        return _shard(pictures, first, first + taken, self.device)

    def _decoded(self, photos: Sequence[Photo]) -> Iterator[tuple[Photo, Pixels | ImageError]]:
        """`decode`, by all processes together."""
        if self._exchange is None:
            yield from decode(photos)
            return
        for begin in range(0, len(photos), _TURN * self.world):
            part = photos[begin : begin + _TURN * self.world]
            decoded = self._exchange([pixels for _, pixels in decode(part[self.rank :: self.world])])
            for index, photo in enumerate(part):
                yield photo, decoded[index % self.world][index // self.world]

    def close(self) -> None:
        """Wait for the photographs that are being decoded: other processes wait for this one's share."""
        self._pool.shutdown()


def _shard(pictures: list[Pixels], first: int, after: int, device: torch.device) -> Shard:
    sizes = np.array([picture.shape[:2] for picture in pictures], np.int64)
    counts = sizes.prod(axis=1)
    starts = np.concatenate([[0], counts.cumsum()[:-1]])
    pixels = torch.empty(int(counts.sum()), 3, dtype=torch.uint8, device=device)
    for start, count, picture in zip(starts, counts, pictures, strict=True):
        pixels[start : start + count] = torch.from_numpy(picture.reshape(-1, 3).copy()).to(device)
    table = torch.from_numpy(np.concatenate([starts[:, None], sizes], axis=1))
    return Shard(pixels, table, first, after)


def _rounded(values: Tensor) -> Tensor:
    return (values + 0.5).floor().clamp(0, 255)


def random_generator(seed: int, purpose: int, number: int) -> torch.Generator:
    """A generator on the CPU for one purpose and number, so that nothing depends on what was drawn before."""
    mixed = np.random.SeedSequence([seed, purpose, number]).generate_state(2, np.uint32)
    return torch.Generator().manual_seed(int(mixed[0]) << 32 | int(mixed[1]))


def free_memory(device: torch.device) -> int:
    """Bytes to give to photographs: a third of what a GPU has free (two shards lie there at times), a quarter of
    the machine's or the container's memory on a CPU.
    """
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0] // 3
    return memory_bytes() // 4
