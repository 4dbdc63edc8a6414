// What a mouse shows on pointing, a finger shows on tapping: every digit of a number, the exact time. The words stand in
// a line at the bottom of the screen until the next tap, and screen readers say them.
"use strict";
{
  const INTERACTIVE = "a, button, input, select, textarea, label, summary, .uplot";
  const CELL = "td, th, .readonly, .headline > *, dd";
  let line = null;

  const wordsOf = (element) => element.getAttribute("title") ?? element.querySelector(":scope > title")?.textContent;

  // The words of what was tapped, or else of the only thing that has some in the same cell.
  const wordsAt = (target) => {
    const own = target.closest("[title], svg:has(> title)");
    if (own) return wordsOf(own);
    const others = target.closest(CELL)?.querySelectorAll("[title], svg:has(> title)") ?? [];
    return others.length === 1 && !others[0].closest(INTERACTIVE) ? wordsOf(others[0]) : "";
  };

  const show = (words) => {
    if (!line) {
      line = document.createElement("p");
      line.className = "tapped-title";
      line.setAttribute("role", "status");
      document.body.append(line);
    }
    line.textContent = words;
  };

  document.addEventListener("click", ({ target, pointerType }) => {
    if (pointerType === "mouse" || !(target instanceof Element)) return;
    const words = target.closest(INTERACTIVE) ? "" : wordsAt(target);
    if (words || line) show(words);
  });
}
