// Making elements. Whatever a server or a caller said becomes a text node here, never markup.

/** An element with attributes and children; `false`, `null` and `undefined` leave an attribute or a child out. */
export function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? '' : String(value));
  }
  element.append(...children.flat().filter((child) => child !== false && child !== null && child !== undefined));
  return element;
}

const SVG = 'http://www.w3.org/2000/svg';

/** The same for drawings. */
export function draw(tag, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  element.append(...children);
  return element;
}

export function show(element, visible) {
  if (element.hidden === visible) element.hidden = !visible;
}

/** Sets the text only when it differs, so that nothing is announced twice. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * Runs `paint` with the next picture, however often it is asked for before that. A page in the background paints
 * nothing and catches up when it is looked at.
 */
export function painter(paint) {
  let due = false;
  return () => {
    if (due) return;
    due = true;
    requestAnimationFrame(() => {
      due = false;
      paint();
    });
  };
}

/** Keeps a list at its end while the reader is there, and in its place while they read further up. */
export function stickingToTheEnd(box, change) {
  const atEnd = box.scrollHeight - box.scrollTop - box.clientHeight < 24;
  change();
  if (atEnd) box.scrollTop = box.scrollHeight;
}
