"""What srcore's own errors have in common, the words for the system's, and what others name without loading torch."""

import errno

_WORDS = {
    errno.ENOENT: "there is no such file",
    errno.EISDIR: "is a folder, where a file is needed",
    errno.ENOTDIR: "lies in what is no folder",
    errno.EEXIST: "is there already",
    errno.ELOOP: "is a link that leads back to itself",
    errno.ENAMETOOLONG: "the name is too long for a file",
    errno.EACCES: "this user may not do that",
    errno.EPERM: "this user may not do that",
    errno.EROFS: "lies on a disk that is read-only",
    errno.ENOSPC: "the disk is full",
}


class SrcoreError(Exception):
    """Something that the caller can put right; the message is one line for a person."""


def in_words(error: OSError) -> str:
    """What the system's error says, for a person, without the file's name."""
    return _WORDS.get(error.errno or 0) or error.strerror or str(error)


class TimeLimitExceeded(SrcoreError, RuntimeError):
    """The work was given up because it took longer than its limit."""
