// The token that a sidecar may require. It is asked for once for all requests that wait for it, and
// kept until the tab is closed.

import { mark, say } from "./dom.js";

const KEY = "token";
const part = (name) => document.querySelector(`#${name}`);
let asking = null;

/** The token to send; null if none was entered. */
export function heldToken() {
  return sessionStorage.getItem(KEY);
}

/** Resolves when there is a token to try other than `refused`, which is asked for if need be. */
export async function otherToken(refused) {
  if (heldToken() !== refused) return;
  asking ??= entered(refused).finally(() => {
    asking = null;
  });
  await asking;
}

function entered(refused) {
  const form = part("token-form");
  const input = part("token");
  say(part("connection"), "Locked");
  mark(part("connection"), "class", "gone");
  form.hidden = false;
  say(
    part("token-note"),
    refused === null
      ? "Enter the token of its --token-file. It is kept until this tab is closed."
      : "The token was not accepted. Enter the one that is in force.",
  );
  if (document.activeElement === document.body) input.focus();
  return new Promise((resolve) => {
    form.addEventListener(
      "submit",
      (event) => {
        event.preventDefault();
        sessionStorage.setItem(KEY, input.value);
        input.value = "";
        form.hidden = true;
        part("main").focus();
        resolve();
      },
      { once: true },
    );
  });
}
