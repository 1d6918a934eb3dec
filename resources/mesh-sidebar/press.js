/**
 * Presses of a key or a mouse button. A click needs the same element at its beginning and its end: one that is drawn anew
 * in between, because a response has come, loses it.
 */

/** What is held down longer, or ends in another window, keeps nothing waiting (milliseconds). */
const MAX_HELD_MS = 3000;
const ALL = { capture: true, passive: true };

let beganAt = -Infinity;
const waiting = [];

function began({ repeat }) {
  if (!repeat) beganAt = performance.now();
}

function ended() {
  beganAt = -Infinity;
  // The click follows in the same task.
  setTimeout(() => waiting.splice(0).forEach((resolve) => resolve()));
}

for (const type of ['keydown', 'pointerdown']) globalThis.addEventListener(type, began, ALL);
for (const type of ['keyup', 'pointerup', 'pointercancel']) globalThis.addEventListener(type, ended, ALL);

/** Resolves when no press is under way. */
export async function pressEnded() {
  const leftMs = beganAt + MAX_HELD_MS - performance.now();
  if (leftMs <= 0) return;
  await new Promise((resolve) => {
    waiting.push(resolve);
    setTimeout(resolve, leftMs);
  });
}
