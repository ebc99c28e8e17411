"""What raters read where a trial shows two images, in place of what is said where one image is rated.

Templates, scripts and code say "image" and "rating"; for a study of two images their texts are looked up here, once,
and the others are as they are. A text of the right-hand side is translated as any other.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache

from django.utils.translation import gettext_noop

from studies.models.task import CHOOSING, OF_TWO
from studies.protocol import catalogues

PLACE = "protocol/wording.py"
Said = str | tuple[str, str]


def ngettext_noop(one: str, many: str) -> tuple[str, str]:
    """Marks a text for translation that differs by a number."""
    return one, many


_TWO: Mapping[str, Said] = {
    "Some images have an answer that is known beforehand. Your part ends early if several of your answers to them are "
    "others.": gettext_noop(
        "Some pairs have an answer that is known beforehand. Your part ends early if several of your answers to them "
        "are others."
    ),
    "Of large images you rate a part. Before it the whole image appears for a moment, made smaller, with a frame "
    "around that part.": gettext_noop(
        "Of large images you see a part. Before it the whole image appears for a moment, made smaller, with a frame "
        "around that part."
    ),
    "A sitting has at most %(images)s image.": ngettext_noop(
        "A sitting has at most %(images)s pair of images.", "A sitting has at most %(images)s pairs of images."
    ),
    "You can take back your last rating until you give the next one; not the one of the last image.": gettext_noop(
        "You can take back your last rating until you give the next one; not the one of the last pair."
    ),
    "Rating images needs JavaScript, which is switched off in this browser. Please allow it for this site and load the "
    "page again.": gettext_noop(
        "Comparing images needs JavaScript, which is switched off in this browser. Please allow it for this site and "
        "load the page again."
    ),
    "The whole image, made smaller. Rate the part in the frame, which comes next.": gettext_noop(
        "The whole image, made smaller. Compare the part in the frame, which comes next."
    ),
    "Loading the image": gettext_noop("Loading the images"),
    "Already rated": gettext_noop("Already answered"),
    "The image comes back when you go on.": gettext_noop("The images come back when you go on."),
    "You have rated all of your images, and all of your ratings are saved.": gettext_noop(
        "You have rated all of your pairs of images, and all of your ratings are saved."
    ),
    "Some of the images had an answer that is known beforehand, and too many of your answers were others. So your part "
    "in this study ends here.": gettext_noop(
        "Some of the pairs had an answer that is known beforehand, and too many of your answers were others. So your "
        "part in this study ends here."
    ),
    "This image is not part of your session. Please open your own invitation link again.": gettext_noop(
        "This pair is not part of your session. Please open your own invitation link again."
    ),
    "This site has not sent you this image yet. Please load the page again.": gettext_noop(
        "This site has not sent you this pair of images yet. Please load the page again."
    ),
    "A rating of yours was taken back in another window or on another device. Please rate that image again.": (
        gettext_noop(
            "A rating of yours was taken back in another window or on another device. Please rate that pair again."
        )
    ),
    "This image is not due yet.": gettext_noop("This pair is not due yet."),
    "It is time for a rest; the next image is shown after it.": gettext_noop(
        "It is time for a rest; the next pair is shown after it."
    ),
    "This rating stands: it can be taken back only until the next one is given, and not after the last image.": (
        gettext_noop(
            "This rating stands: it can be taken back only until the next one is given, and not after the last pair."
        )
    ),
}
"""Where two images are shown, whatever is asked of them."""

_CHOICES: Mapping[str, Said] = {
    "Undo last rating": gettext_noop("Undo last choice"),
    "You can take back your last rating until you give the next one; not the one of the last image.": gettext_noop(
        "You can take back your last choice until you make the next one; not the last one of all."
    ),
    "A rating stands once it is given.": gettext_noop("A choice stands once it is made."),
    "Before the first image we look at whether they can be seen well here. Please sit as you will when you rate, with "
    "the room's usual light.": gettext_noop(
        "Before the first images we look at whether they can be seen well here. Please sit as you will when you "
        "choose, with the room's usual light."
    ),
    "If you change your mind about taking part, you can withdraw; that erases your ratings.": gettext_noop(
        "If you change your mind about taking part, you can withdraw; that erases your choices."
    ),
    "If you change your mind about taking part, open your invitation link again: it offers to withdraw, which erases "
    "your ratings.": gettext_noop(
        "If you change your mind about taking part, open your invitation link again: it offers to withdraw, which "
        "erases your choices."
    ),
    "You go on where you stopped; what you have rated is kept.": gettext_noop(
        "You go on where you stopped; what you have chosen is kept."
    ),
    "Images are shown pixel by pixel, never enlarged or reduced. The window must be large enough for the largest one; "
    "please do not change its size or zoom while you rate.": gettext_noop(
        "Images are shown pixel by pixel, never enlarged or reduced. The window must be large enough for the largest "
        "one; please do not change its size or zoom while you choose."
    ),
    "You can withdraw at any time, which erases your ratings:": gettext_noop(
        "You can withdraw at any time, which erases your choices:"
    ),
    "All of your ratings are saved. Please answer these questions, too; then you are done.": gettext_noop(
        "All of your choices are saved. Please answer these questions, too; then you are done."
    ),
    "You can still withdraw; that erases your ratings.": gettext_noop(
        "You can still withdraw; that erases your choices."
    ),
    "This page could not start: its scripts did not load, or this browser is too old for them. Please load the page "
    "again, or open your invitation link in a current version of Firefox, Chrome, Edge or Safari. What you have rated "
    "is kept.": gettext_noop(
        "This page could not start: its scripts did not load, or this browser is too old for them. Please load the "
        "page again, or open your invitation link in a current version of Firefox, Chrome, Edge or Safari. What you "
        "have chosen is kept."
    ),
    "Your %(rated)s rating will be erased, and your link will stop working.": ngettext_noop(
        "Your %(rated)s choice will be erased, and your link will stop working.",
        "Your %(rated)s choices will be erased, and your link will stop working.",
    ),
    "You have no ratings that would be erased; your link will stop working.": gettext_noop(
        "You have no choices that would be erased; your link will stop working."
    ),
    "This cannot be undone. The researchers will see that you withdrew, but none of your ratings.": gettext_noop(
        "This cannot be undone. The researchers will see that you withdrew, but none of your choices."
    ),
    "Withdraw and erase my ratings": gettext_noop("Withdraw and erase my choices"),
    "Nothing that you rated is left here.": gettext_noop("None of your choices is left here."),
    "With this code you can withdraw later, which erases your ratings. Please write it down now: it is shown only "
    "once.": gettext_noop(
        "With this code you can withdraw later, which erases your choices. Please write it down now: it is shown only "
        "once."
    ),
    "%(erased)s rating erased.": ngettext_noop("%(erased)s choice erased.", "%(erased)s choices erased."),
    "All ratings are saved": gettext_noop("All choices are saved"),
    "Go on rating": gettext_noop("Go on choosing"),
    "%(number)s rating not yet saved - retrying": ngettext_noop(
        "%(number)s choice not yet saved - retrying", "%(number)s choices not yet saved - retrying"
    ),
    "%(number)s rating could not be saved yet; this browser keeps it.": ngettext_noop(
        "%(number)s choice could not be saved yet; this browser keeps it.",
        "%(number)s choices could not be saved yet; this browser keeps them.",
    ),
    "It goes on once %(number)s rating could be saved. Until then it is kept in this browser, even if you close it.": (
        ngettext_noop(
            "It goes on once %(number)s choice could be saved. Until then it is kept in this browser, even if you "
            "close it.",
            "It goes on once %(number)s choices could be saved. Until then they are kept in this browser, even if you "
            "close it.",
        )
    ),
    "You have been rating for %(number)s minute: a good time to rest your eyes.": ngettext_noop(
        "You have been choosing for %(number)s minute: a good time to rest your eyes.",
        "You have been choosing for %(number)s minutes: a good time to rest your eyes.",
    ),
    "This study is not open for ratings now. What you have rated so far is kept.": gettext_noop(
        "This study is not open now. What you have chosen so far is kept."
    ),
    "You have withdrawn from this study, and your ratings were erased.": gettext_noop(
        "You have withdrawn from this study, and your choices were erased."
    ),
    "We store your ratings, how long each took, the sizes of your screen and window, and the language of these pages. "
    "We do not store your name or address.": gettext_noop(
        "We store your choices, how long each took, the sizes of your screen and window, and the language of these "
        "pages. We do not store your name or address."
    ),
    "I take part of my own free will. I can stop at any time without giving a reason and without any disadvantage, and "
    "I can withdraw, which erases my ratings. My ratings may be analysed and published in a form in which nobody can "
    "tell who gave them.": gettext_noop(
        "I take part of my own free will. I can stop at any time without giving a reason and without any disadvantage, "
        "and I can withdraw, which erases my choices. My choices may be analysed and published in a form in which "
        "nobody can tell who made them."
    ),
    "The panel's id by which you are paid is kept apart from your ratings and deleted afterwards. Of it stays a number "
    "that says nothing, by which the site sees that you took part; withdrawing erases it too.": gettext_noop(
        "The panel's id by which you are paid is kept apart from your choices and deleted afterwards. Of it stays a "
        "number that says nothing, by which the site sees that you took part; withdrawing erases it too."
    ),
    "This device does not have what the study needs. Please go on with the one on which you began; what you have rated "
    "there is kept.": gettext_noop(
        "This device does not have what the study needs. Please go on with the one on which you began; what you have "
        "chosen there is kept."
    ),
    "This image cannot be shown now. The researchers have been told. Your ratings are kept.": gettext_noop(
        "This image cannot be shown now. The researchers have been told. Your choices are kept."
    ),
    "You have rated all of your images, and all of your ratings are saved.": gettext_noop(
        "You have chosen in all of your pairs, and all of your choices are saved."
    ),
    "You have chosen not to take part. Nothing that you rated is stored.": gettext_noop(
        "You have decided not to take part. None of your choices is stored."
    ),
    "A rating of yours was taken back in another window or on another device. Please rate that image again.": (
        gettext_noop("A choice of yours was taken back in another window or on another device. Please choose again.")
    ),
    "This rating stands: it can be taken back only until the next one is given, and not after the last image.": (
        gettext_noop(
            "This choice stands: it can be taken back only until the next one is made, and not after the last pair."
        )
    ),
}
"""Where one of the two is chosen: what then is no rating but a choice."""


def in_place(task: str) -> Mapping[str, Said]:
    """English text -> the English text that raters of this task read in its place; empty where one image is rated."""
    if task not in OF_TWO:
        return {}
    return {**_TWO, **_CHOICES} if task in CHOOSING else _TWO


@lru_cache(maxsize=64)
def shipped(task: str, language: str) -> Mapping[str, tuple[str, ...]]:
    """`in_place` with the forms that the site has in this language."""
    if language == "en":
        return {text: _forms(said) for text, said in in_place(task).items()}
    known = {message.key: message.forms for message in catalogues.shipped(language).messages if message.is_translated}
    return {text: known[_key(said)] for text, said in in_place(task).items() if _key(said) in known}


def brought(task: str, texts: Mapping[str, Sequence[str]]) -> dict[str, Sequence[str]]:
    """Of a researcher's texts (key -> forms) those that are said in place of others, by the keys of these."""
    return {text: texts[_key(said)] for text, said in in_place(task).items() if _key(said) in texts}


def _key(said: Said) -> str:
    return said if isinstance(said, str) else said[0]


def _forms(said: Said) -> tuple[str, ...]:
    return (said,) if isinstance(said, str) else said
