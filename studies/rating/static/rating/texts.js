// What is said to raters, in the language of their page. English texts are their own keys, as in the templates.

import { pageData } from "./page.js";

// English text -> its translation, or its forms for different numbers; `plural` has the form of each of the numbers 0 to
// 199 as a digit. Without a translation the English text is said.
const { texts = {}, plural = "" } = pageData();

export const gettext = (text) => texts[text] ?? text;

function ngettext(one, many, number) {
  // No language's grammar looks at more than the last two digits of a larger number.
  const forms = texts[one];
  if (!forms) return number === 1 ? one : many;
  return forms[Number(plural[number < 200 ? number : 100 + (number % 100)])];
}

// The text with each %(name)s replaced by values.name.
export const filled = (text, values) => text.replace(/%\((\w+)\)s/g, (_, name) => values[name]);

// ngettext, with %(number)s filled.
const count = (one, many, number) => filled(ngettext(one, many, number), { number });

export const couldNotLoad = () => gettext("An image could not be loaded - trying again");

// Ratings on their way, and minutes.

export const notYetSaved = (number) =>
  count("%(number)s rating not yet saved - retrying", "%(number)s ratings not yet saved - retrying", number);

export const keptHere = (number) =>
  count(
    "%(number)s rating could not be saved yet; this browser keeps it.",
    "%(number)s ratings could not be saved yet; this browser keeps them.",
    number,
  );

export const goesOnOnceSaved = (number) =>
  count(
    "It goes on once %(number)s rating could be saved. Until then it is kept in this browser, even if you close it.",
    "It goes on once %(number)s ratings could be saved. Until then they are kept in this browser, even if you close it.",
    number,
  );

export const beenRating = (number) =>
  count(
    "You have been rating for %(number)s minute: a good time to rest your eyes.",
    "You have been rating for %(number)s minutes: a good time to rest your eyes.",
    number,
  );
