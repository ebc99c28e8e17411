"""Whether a page keeps nobody out: looked at by hand-written rules and by axe, as it is by day and by night."""

from collections.abc import Sequence
from importlib.resources import files

from playwright.sync_api import Page

AXE = files("axe_playwright_python") / "axe.min.js"
SERIOUS = ("serious", "critical")
_RULES = """() => {
  const found = [];
  const shown = (element) => element.checkVisibility({ visibilityProperty: true });
  const seen = (element) => shown(element) && !element.closest("[inert]");
  for (const field of document.querySelectorAll("input:not([type=hidden]), textarea, select")) {
    const named = field.labels?.length || field.getAttribute("aria-label");
    if (seen(field) && !named) found.push(`no label: ${field.outerHTML}`);
  }
  for (const set of document.querySelectorAll("fieldset")) {
    if (!set.querySelector("legend")) found.push("a fieldset without a legend");
  }
  for (const image of document.querySelectorAll("img:not([alt])")) found.push(`no alt: ${image.src}`);
  for (const button of document.querySelectorAll("button")) {
    if (seen(button) && !button.textContent.trim()) found.push("a button without words");
  }
  for (const id of [...document.querySelectorAll("[aria-describedby]")].flatMap((element) =>
    element.getAttribute("aria-describedby").split(" "))) {
    if (!document.getElementById(id)) found.push(`described by nothing: ${id}`);
  }
  const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
  for (const id of ids) if (ids.indexOf(id) !== ids.lastIndexOf(id)) found.push(`twice: ${id}`);
  if (!document.documentElement.lang) found.push("no language");
  const wide = document.documentElement.scrollWidth;
  if (wide > innerWidth) {
    const runsOver = (one) => one.getBoundingClientRect().right > innerWidth + 1;
    const out = [...document.body.querySelectorAll("*")].filter(runsOver).map((one) => one.outerHTML.slice(0, 120));
    found.push(`${wide} wide in a window of ${innerWidth}: ${out.slice(0, 3)}`);
  }
  // Only the button that takes back may be cut where all is too wide.
  for (const one of document.querySelectorAll("#place, #status, .scores button")) {
    if (seen(one) && one.scrollWidth > one.clientWidth + 1) found.push(`cut: ${one.textContent.trim()}`);
  }
  if (document.querySelectorAll("h1").length !== 1) found.push("not one heading");
  return found;
}"""
_AXE = "axe.run().then((found) => found.violations)"


def faults(page: Page, *, schemes: Sequence[str] = ("dark", "light")) -> list[str]:
    """Each field has a name, each id is there once, nothing is wider than the window; and what axe calls serious."""
    found = page.evaluate(_RULES)
    page.evaluate(AXE.read_text(encoding="utf-8") + ";0")
    for scheme in schemes:
        page.emulate_media(color_scheme=scheme)
        violations = page.evaluate(_AXE)
        assert isinstance(violations, list)
        for fault in violations:
            if fault["impact"] in SERIOUS:
                found += [f"axe, {scheme}: {fault['id']}: {node['html'][:200]}" for node in fault["nodes"]]
    return found


def is_accessible(page: Page) -> None:
    assert faults(page) == [], page.url
