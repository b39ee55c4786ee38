// Searches keys, shows those that are read most, and one entry. Values are shown as text or as bytes, and never rendered.

import { ask, askJson, Refused } from "./api.js";
import { h, panel, say, table } from "./dom.js";
import { bytes, count, dateTime, span, visible } from "./figures.js";
import { Hot } from "./hot.js";

const PAGE = 100;
const MOST_PAGES = 50;
const MOST_TEXT_BYTES = 64 << 10;
const MOST_HEX_BYTES = 1 << 10;
/** Control characters that no text has. */
const BINARY = /[\0-\x08\x0e-\x1f]/;

export class Keys {
  constructor(root) {
    this.root = root;
    this.namespace = h("input", {
      id: "namespace",
      required: true,
      maxlength: "64",
      pattern: "[A-Za-z0-9._\\-]+",
      autocomplete: "off",
      spellcheck: "false",
      placeholder: "demo",
    });
    this.prefix = h("input", {
      id: "prefix",
      maxlength: "1024",
      autocomplete: "off",
      spellcheck: "false",
      placeholder: "all keys",
    });
    this.form = h(
      "form",
      { role: "search" },
      h("label", {}, "Namespace", this.namespace),
      h("label", {}, "Key begins with", this.prefix),
      h("button", {}, "Search"),
    );
    this.told = h(
      "p",
      { class: "note", role: "status" },
      "Lists the keys of a namespace; a prefix narrows the search.",
    );
    this.found = table("Keys found", [
      ["Key"],
      ["Tier"],
      ["Size", "number"],
      ["Time to live", "number"],
    ]);
    this.more = h("button", { type: "button", hidden: true }, "More");
    this.entry = h(
      "section",
      { class: "panel entry", "aria-live": "polite", "aria-label": "Entry" },
      h(
        "p",
        { class: "muted" },
        "Select a key to show its entry. This counts as a read.",
      ),
    );
    this.hot = new Hot((found, button) => this.look(found, button));
    root.append(
      h(
        "div",
        { class: "pair keys" },
        h(
          "div",
          { class: "stack" },
          panel("Keys", null, this.form, this.told, this.found.element, this.more),
          this.hot.element,
        ),
        this.entry,
      ),
    );
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.found.body.replaceChildren();
      this.search({ namespace: this.namespace.value, prefix: this.prefix.value });
    });
    this.more.addEventListener("click", () => this.search({ ...this.asked }, this.cursor));
  }

  /** Show the latest data: a search shows what was found then. */
  show({ hot }) {
    this.hot.show(hot);
  }

  /**
   * Add a page. After a short page it requests the next one, up to a limit: in a large L3 a rare
   * prefix needs many. A late response to an earlier search is dropped.
   */
  async search(asked, cursor = null) {
    this.asked = asked;
    say(this.told, "Searching…");
    let rows = [];
    try {
      for (let pages = 0; pages < MOST_PAGES && rows.length < PAGE; pages += 1) {
        const query = new URLSearchParams({ ...asked, limit: PAGE, ...(cursor ? { cursor } : {}) });
        const answer = await askJson(`/v1/keys?${query}`);
        if (asked !== this.asked) return;
        rows = rows.concat(answer.keys);
        cursor = answer.cursor;
        if (cursor === null) break;
      }
    } catch (error) {
      if (asked === this.asked) say(this.told, errorText(error));
      return;
    }
    this.found.body.append(...rows.map((row) => this.row(row)));
    this.cursor = cursor;
    this.more.hidden = cursor === null;
    const shown = this.found.body.children.length;
    const keys = shown === 1 ? "1 key" : `${count(shown)} keys`;
    say(this.told, cursor === null ? `${keys}.` : `${keys} so far; there are more to search.`);
  }

  row(found) {
    const button = h("button", { type: "button", class: "key" }, visible(found.key));
    button.addEventListener("click", () => this.look(found, button));
    return h(
      "tr",
      {},
      h("th", { scope: "row" }, button),
      h(
        "td",
        {},
        h("i", { class: `swatch ${found.tier}`, "aria-hidden": "true" }),
        found.tier.toUpperCase(),
      ),
      h("td", { class: "number" }, bytes(found.size)),
      h("td", { class: "number" }, span(found.ttl)),
    );
  }

  async look(found, button) {
    for (const chosen of this.root.querySelectorAll("[aria-current]"))
      chosen.removeAttribute("aria-current");
    button.setAttribute("aria-current", "true");
    this.looked = found;
    if (found.path === null) {
      const text = "A segment of this key is . or .., so that no path leads to it. Batches do.";
      this.entry.replaceChildren(h("h2", { class: "key" }, visible(found.key)), h("p", {}, text));
      return;
    }
    let shown;
    try {
      shown = entryParts(await ask(found.path, { most: MOST_TEXT_BYTES }));
    } catch (error) {
      shown = [
        h(
          "p",
          {},
          error instanceof Refused && error.status === 404
            ? "The entry no longer exists: it expired, or was evicted or deleted."
            : errorText(error),
        ),
      ];
    }
    if (this.looked !== found) return;
    this.entry.replaceChildren(h("h2", { class: "key" }, visible(found.key)), ...shown);
  }
}

function entryParts({ headers, body, cut }) {
  const size = Number(headers["content-length"]);
  const status = headers["cache-status"] ?? "";
  const tier = status.match(/detail=(\w+)/)?.[1] ?? "";
  const left = status.match(/ttl=(\d+)/)?.[1];
  const terms = {
    "Answered by": tier.toUpperCase(),
    "Content type": headers["content-type"] ?? "",
    Size: bytes(size),
    Age: span(Number(headers.age)),
    "Time to live": left === undefined ? "does not expire" : span(Number(left)),
    Stored: dateTime(Date.now() / 1000 - Number(headers.age)),
    ETag: headers.etag ?? "",
  };
  const text = textOf(body);
  const most = text === null ? MOST_HEX_BYTES : MOST_TEXT_BYTES;
  const isCut = cut || body.length > most;
  const kind = text === null ? "Binary, as hexadecimal" : "Text";
  const what = isCut ? `${kind}, the first ${bytes(most)} of ${bytes(size)}` : kind;
  return [
    h(
      "dl",
      { class: "terms" },
      ...Object.entries(terms).map(([name, value]) =>
        h("div", {}, h("dt", {}, name), h("dd", {}, value)),
      ),
    ),
    h("p", { class: "note" }, size === 0 ? "The value is empty." : `${what}.`),
    h(
      "pre",
      { tabindex: "0", class: "value", "aria-label": "Value" },
      text ?? hexadecimal(body.subarray(0, MOST_HEX_BYTES)),
    ),
  ];
}

/** The bytes as text, without an incomplete character at the end; null if they are not text. */
function textOf(body) {
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(body, { stream: true });
    return BINARY.test(text) ? null : text;
  } catch {
    return null;
  }
}

/** Sixteen bytes per line: offset, hexadecimal and ASCII. */
function hexadecimal(body) {
  const lines = [];
  for (let start = 0; start < body.length; start += 16) {
    const part = [...body.subarray(start, start + 16)];
    const hex = part.map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
    const ascii = part
      .map((byte) => (byte >= 32 && byte < 127 ? String.fromCharCode(byte) : "."))
      .join("");
    lines.push(`${start.toString(16).padStart(8, "0")}  ${hex.padEnd(47)}  ${ascii}`);
  }
  return lines.join("\n");
}

function errorText(error) {
  return error instanceof Refused
    ? error.message
    : "The sidecar is unreachable; try again later.";
}
