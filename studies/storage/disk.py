"""Where image files live on disk."""

from pathlib import Path
from typing import Any

from django.core.files.base import File
from django.core.files.storage import FileSystemStorage

from srcore.files import whole_file


class AtomicFileSystemStorage(FileSystemStorage):
    """A file appears under its name whole or not at all, and writing a name again replaces it.

    The half-written file has a name that follows from the final one, so a writer that was killed leaves
    nothing that the next writer of that name does not overwrite.
    """

    def get_available_name(self, name: str, max_length: int | None = None) -> str:
        return name

    def _save(self, name: str, content: "File[Any]") -> str:
        path = Path(self.path(name))
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path, draft=path.with_name(f".{path.name}.part")) as file:
            for chunk in content.chunks():
                file.write(chunk)
        return name
