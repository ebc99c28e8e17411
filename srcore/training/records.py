"""What a run leaves behind and shows while it goes on."""

import json
import sys
from statistics import fmean
from time import monotonic
from typing import Any

from srcore import weights
from srcore.files import whole_file
from srcore.images import as_rgb, write_image
from srcore.inference import Engine
from srcore.methods.neural import upscale_with
from srcore.metrics import measure
from srcore.training.run import Run

LOG = "log.jsonl"
BEST = "best.safetensors"  # the generator with the highest PSNR of the validations


class Records:
    """What a run leaves behind and shows: log.jsonl, TensorBoard's files if it is installed, pictures, a line."""

    def __init__(self, run: Run) -> None:
        self.run, self._begin, self._shown = run, run.update, 0.0
        self._validation = run.validation
        self._board: Any = None
        self._best, self._counted = -float("inf"), False
        if not run.processes.is_first:
            return
        print(f"{run.recipe.name} computes in {run.trainer.precision}", file=sys.stderr)
        self._cut_back()
        try:
            from torch.utils.tensorboard import SummaryWriter

            self._board = SummaryWriter(str(run.options.out / "tensorboard"), purge_step=run.update + 1)
        except ImportError:
            print("TensorBoard is not installed (pip install tensorboard): scalars go to log.jsonl", file=sys.stderr)

    def losses(self) -> None:
        if self.run.processes.is_first:
            self._count_photographs()
            rate = float(self.run.trainer.optimisers[0].param_groups[0]["lr"])
            self._write({name: float(value) for name, value in self.run.trainer.losses.items()} | {"rate": rate})
            self._show()

    def validation(self) -> None:
        """PSNR on the benchmark, and its first picture, with the generator as it is."""
        if not self._validation:
            return
        trainer = self.run.trainer
        engine = Engine(trainer.shipped, device=trainer.device)
        upscaled = [upscale_with(engine, lr) for _, lr in self._validation]
        psnr = fmean(measure(hr, sr).psnr for (hr, _), sr in zip(self._validation, upscaled, strict=True))
        self._write({"validation_psnr": psnr})
        if psnr > self._best:
            self._best = psnr
            weights.save_state(self.run.options.out / BEST, trainer.shipped.state_dict())
        folder = self.run.options.out / "samples"
        folder.mkdir(exist_ok=True)
        write_image(folder / f"{self.run.update:07d}.png", upscaled[0])
        if self._board:
            self._board.add_image("sample", as_rgb(upscaled[0]), self.run.update, dataformats="HWC")

    def close(self) -> None:
        if self._board:
            self._board.close()
        if sys.stderr.isatty() and self.run.processes.is_first:
            print(file=sys.stderr)

    def _count_photographs(self) -> None:
        """Say once that not every photograph serves: the others are too small for a crop, or cannot be read."""
        crops = self.run.crops
        if not self._counted and crops.photographs < crops.given:
            window = f"{crops.window} pixels a side"
            print(f"{crops.photographs} of {crops.given} photographs are used; others lack {window}", file=sys.stderr)
        self._counted = True

    def _cut_back(self) -> None:
        """What was logged after the state that the run goes on from will be made again: its lines go."""
        path = self.run.options.out / LOG
        if not path.exists():
            return
        kept = []
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                row = json.loads(line)
            except ValueError:  # cut off when the machine went down
                continue
            if row.get("update", 0) <= self.run.update:
                kept.append(line)
                self._best = max(self._best, row.get("validation_psnr", self._best))
        with whole_file(path) as file:
            file.write("".join(f"{line}\n" for line in kept).encode())

    def _write(self, scalars: dict[str, float]) -> None:
        with (self.run.options.out / LOG).open("a", encoding="utf-8") as file:
            file.write(json.dumps({"update": self.run.update} | scalars) + "\n")
        if self._board:
            for name, value in scalars.items():
                self._board.add_scalar(name, value, self.run.update)

    def _show(self) -> None:
        run, now = self.run, monotonic()
        interval = 0.5 if sys.stderr.isatty() else 60
        if now - self._shown < interval:
            return
        self._shown = now
        seconds = (now - run.started) / max(1, run.update - self._begin) * (run.plan - run.update)
        left = f"{int(seconds // 3600)}:{int(seconds // 60 % 60):02d}:{int(seconds % 60):02d}"
        loss = float(run.trainer.losses["generator"])
        line = f"{run.recipe.name}: {run.update:,} of {run.plan:,} updates ({run.update / run.plan:.1%}), "
        line += f"loss {loss:.5f}, {left} left"
        print(f"\r{line} " if sys.stderr.isatty() else line, end="" if sys.stderr.isatty() else "\n", file=sys.stderr)
