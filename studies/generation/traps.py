"""Drawing the traps: mid-grey with a large number, the score to give. As large, in pixels and bytes, as the others."""

import numpy as np
from django.core.files.base import ContentFile
from django.utils import timezone
from PIL import Image, ImageDraw, ImageFont

from srcore.images import Pixels
from studies.content.sources import png_of
from studies.models import OF_TWO, Method, SourceImage, Stimulus, Study
from studies.protocol.checks import TRAP, trap_key, trap_plan

GREY, INK = 128, 20
# Of the picture's height and width that the number may fill.
TALL, WIDE = 0.6, 0.8


def draw(text: str, *, width: int, height: int) -> Pixels:
    """uint8 (height, width, 3): the text in the middle."""
    picture = Image.new("RGB", (width, height), (GREY, GREY, GREY))
    pen = ImageDraw.Draw(picture)
    size = TALL * height
    while True:
        font = ImageFont.load_default(size)
        left, top, right, bottom = pen.textbbox((0, 0), text, font=font)
        if right - left <= WIDE * width or size < 8:
            break
        size *= 0.9
    place = ((width - right - left) / 2, (height - bottom - top) / 2)
    ink = (INK, INK, INK)
    pen.text(place, text, font=font, fill=ink, stroke_width=max(round(size / 40), 1), stroke_fill=ink)
    return np.asarray(picture, dtype=np.uint8).copy()


def make_traps(study: Study) -> None:
    """Draw what the study's design has and is not there yet. Asked twice, nothing changes."""
    if study.task in OF_TWO:
        return  # images of methods, which are made like the others
    sources = SourceImage.objects.filter(benchmark__in=study.cells.values("benchmark")).select_related("benchmark")
    plan = trap_plan(study, list(sources))
    if not plan:
        return
    method, _ = Method.objects.get_or_create(
        name=TRAP, defaults={"display_name": "Trap", "kind": "folder", "rank": 2000}
    )
    for source, score in plan:
        text = study.scale.score_text(score)
        key = trap_key(text)
        if not Stimulus.objects.filter(source=source, method=method, **key).exists():
            _store(source, method, text, key)


def _store(source: SourceImage, method: Method, text: str, key: dict[str, str]) -> None:
    png, facts = png_of(draw(text, width=source.width, height=source.height))
    stimulus = Stimulus(source=source, method=method, psnr=0.0, ssim=0.0, seconds=0.0, **key, **facts)
    stimulus.file.save("", ContentFile(png), save=False)
    stimulus.state, stimulus.finished_at = Stimulus.State.DONE, timezone.now()
    # Drawn by another process meanwhile: its row stays.
    Stimulus.objects.bulk_create([stimulus], ignore_conflicts=True)
