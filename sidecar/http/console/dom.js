// Creates elements without markup: all content is text.

const SVG = "http://www.w3.org/2000/svg";

/** An HTML element with attributes and children; a child that is not a node is text. */
export function h(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** The same in SVG. */
export function s(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

/** Set an element's text if it differs, so that a selection in unchanged text is kept. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Set an attribute if it differs. */
export function mark(element, name, value) {
  if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

/**
 * Make `parent` have one child for each item, in order. `keyOf` identifies items; existing children
 * are updated in place, so that they keep the focus.
 */
export function reconcile(parent, items, keyOf, create, update) {
  const keys = items.map((item) => String(keyOf(item)));
  const wanted = new Set(keys);
  const known = new Map();
  for (const child of [...parent.children]) {
    if (wanted.has(child.dataset.key)) known.set(child.dataset.key, child);
    else child.remove();
  }
  let place = parent.firstElementChild;
  items.forEach((item, index) => {
    const child = known.get(keys[index]) ?? create(item);
    child.dataset.key = keys[index];
    update?.(child, item);
    if (child === place) place = place.nextElementSibling;
    else parent.insertBefore(child, place);
  });
}

/** A table with a caption for screen readers and an empty body. */
export function table(caption, columns) {
  const body = h("tbody");
  const heads = columns.map(([name, kind]) => h("th", { scope: "col", class: kind ?? null }, name));
  const element = h(
    "div",
    { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
    h("table", {}, h("caption", {}, caption), h("thead", {}, h("tr", {}, ...heads)), body),
  );
  return { element, body };
}

/** A box with a heading, an element beside it, and its content. */
export function panel(title, aside, ...children) {
  return h(
    "section",
    { class: "panel" },
    h("div", { class: "head" }, h("h2", {}, title), aside),
    ...children,
  );
}
