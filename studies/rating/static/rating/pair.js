// Two images of one source on the stage: side by side where it holds both, else in one place, one after the other; in
// some studies the original in their place, on a key; and how often and how long each could be seen.

const SIDES = ["left", "right"];
const ALL = { both: SIDES, left: ["left"], right: ["right"], original: ["original"] };
const none = () => ({ left: 0, right: 0, original: 0 });

export class Pair {
  #stage;
  #changed;
  #images = null; // {left, right}, and the original where the study has it on a key
  #key = null; // of what is counted: a trial and its attempt
  #kept = new Map(); // key -> what was counted of it
  #found = null;
  #view = "both"; // or "left", "right", "original": what stands on the stage
  #before = "both"; // the original: where its key leads back to
  #visible = false;
  #since = 0;

  // changed(view): what stands on the stage is another.
  constructor(stage, changed) {
    this.#stage = stage;
    this.#changed = changed;
  }

  // Before the first painting of a trial's images, or the next one after an interruption.
  show(trial, images) {
    const key = `${trial.token} ${trial.attempt}`;
    this.#images = images;
    if (key !== this.#key) {
      this.#key = key;
      this.#found = this.#kept.get(key) ?? { looks: none(), ms: none(), together: false };
      // A trial that was aside when the one before it was taken back is gone on with.
      this.#kept = new Map([...this.#kept, [key, this.#found]].slice(-4));
      this.#view = this.#holdsBoth ? "both" : "left";
    }
    this.#draw();
  }

  get #holdsBoth() {
    return this.#stage.fitsTwo(this.#images.left, this.#images.right);
  }

  // All ways to see it, in the order in which the rater goes through them.
  get #views() {
    return this.#holdsBoth ? ["both", "left", "right"] : SIDES;
  }

  #draw() {
    if (this.#view === "both") this.#stage.showTwo(this.#images.left, this.#images.right);
    else this.#stage.show(this.#images[this.#view]);
    this.#changed(this.#view);
  }

  // To the next view, or from the original back; counted from now on.
  toggle(now) {
    if (!this.#visible) return;
    if (this.#view === "original") return this.#turn(this.#before, now);
    this.#turn(this.#views[(this.#views.indexOf(this.#view) + 1) % this.#views.length], now);
  }

  // To the original, or back.
  toggleOriginal(now) {
    if (!this.#visible) return;
    if (this.#view === "original") return this.#turn(this.#before, now);
    this.#before = this.#view;
    this.#turn("original", now);
  }

  // The window has another size.
  refit(now) {
    if (!this.#images) return;
    if (!this.#views.includes(this.#before)) this.#before = "left";
    if (this.#view !== "original" && !this.#views.includes(this.#view)) this.#turn("left", now);
  }

  #turn(view, now) {
    const before = this.#visible ? ALL[this.#view] : [];
    this.#count(now);
    this.#view = view;
    if (!this.#visible) return;
    this.#look(ALL[view].filter((side) => !before.includes(side)));
    this.#draw();
  }

  // As the stopwatch of the trial: whether its images can be seen.
  setVisible(visible, now) {
    if (!this.#found) return;
    this.#count(now);
    if (visible && !this.#visible) this.#look(ALL[this.#view]);
    this.#visible = visible;
  }

  #look(sides) {
    for (const side of sides) this.#found.looks[side] += 1;
    this.#found.together ||= this.#view === "both";
  }

  #count(now) {
    if (this.#visible) for (const side of ALL[this.#view]) this.#found.ms[side] += now - this.#since;
    this.#since = now;
  }

  // Whether each image could be seen for so long.
  wasSeen(least, now) {
    this.#count(now);
    return SIDES.every((side) => this.#found.looks[side] > 0 && this.#found.ms[side] >= least);
  }

  facts() {
    const { looks, ms, together } = this.#found;
    const found = { left_looks: looks.left, right_looks: looks.right, left_ms: ms.left, right_ms: ms.right, side_by_side: together };
    return this.#images.original ? { ...found, original_looks: looks.original, original_ms: ms.original } : found;
  }
}
