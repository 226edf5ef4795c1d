// A bar that shows how loud one side is.

import { el } from '../element.js';

/** Below this the bar is empty; speech on a telephone lies between −40 and −10. */
const FLOOR_DBFS = -60;

/** Bars fall slower than they rise, so that the eye can follow. */
const FALL_PER_SECOND_DB = 60;

export class Level {
  #bar = el('i');
  #shown = FLOOR_DBFS;
  #drawnAt = 0;
  #toldAt = -Infinity;

  constructor(element) {
    this.element = element;
    element.classList.add('level');
    element.setAttribute('role', 'meter');
    element.setAttribute('aria-valuemin', FLOOR_DBFS);
    element.setAttribute('aria-valuemax', 0);
    element.append(this.#bar);
    this.#tell(FLOOR_DBFS);
  }

  show(dbfs) {
    const now = performance.now();
    const level = Math.max(FLOOR_DBFS, Math.min(0, Number.isFinite(dbfs) ? dbfs : FLOOR_DBFS));
    const fallen = this.#shown - (FALL_PER_SECOND_DB * (now - this.#drawnAt)) / 1000;
    this.#shown = Math.max(level, fallen, FLOOR_DBFS);
    this.#drawnAt = now;
    this.#bar.style.transform = `scaleX(${(1 - this.#shown / FLOOR_DBFS).toFixed(3)})`;
    // Assistive technology need not hear of every wiggle.
    if (now - this.#toldAt > 500) {
      this.#toldAt = now;
      this.#tell(this.#shown);
    }
  }

  reset() {
    this.#shown = FLOOR_DBFS;
    this.#bar.style.transform = 'scaleX(0)';
    this.#tell(FLOOR_DBFS);
  }

  #tell(dbfs) {
    this.element.setAttribute('aria-valuenow', Math.round(dbfs));
    this.element.setAttribute('aria-valuetext', dbfs <= FLOOR_DBFS ? 'silent' : `${Math.round(dbfs)} dBFS`);
  }
}
