// Refreshes the page of a run while it is under way: fetches it again, and replaces what has changed of its regions
// (data-live). A region is left alone while somebody works in it. Without this script the whole page is loaded again.
"use strict";

{
  const EVERY = 5000; // ms

  const isInUse = (region) => {
    const field = document.activeElement;
    const isTyping = region.contains(field) && field.matches("input:not([type=radio]), select, textarea, button");
    const selection = getSelection();
    return isTyping || (!selection.isCollapsed && selection.containsNode(region, true));
  };

  // Whether the region is up to date now.
  const replace = (region, fresh) => {
    const content = fresh.querySelector(`[data-live="${region.dataset.live}"]`)?.innerHTML ?? "";
    // As it came from the server: what is ticked and scrolled since is not in it.
    if (region.innerHTML === content) return true;
    if (isInUse(region)) return false;
    const ticked = [...region.querySelectorAll("input:checked")].map((input) => input.id);
    const focused = region.contains(document.activeElement) ? document.activeElement.id : "";
    const opened = new Set([...region.querySelectorAll("details[open] > summary")].map((one) => one.textContent));
    const scrolled = region.querySelector(".log")?.scrollTop;
    region.innerHTML = content;
    for (const id of ticked) document.getElementById(id).checked = true;
    if (focused) document.getElementById(focused)?.focus();
    for (const one of region.querySelectorAll("details > summary")) one.parentElement.open ||= opened.has(one.textContent);
    if (scrolled) region.querySelector(".log")?.scrollTo(0, scrolled);
    return true;
  };

  const refresh = async () => {
    if (!document.hidden) {
      try {
        const answer = await fetch(location.href);
        if (answer.redirected) return location.reload(); // to the login, or to the list if the run is deleted
        if (answer.ok) {
          const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
          const regions = [...document.querySelectorAll("[data-live]")];
          const isNew = regions.map((region) => replace(region, fresh)).every(Boolean);
          if (isNew && !fresh.querySelector("[data-under-way]")) return;
        }
      } catch {
        // The site cannot be reached: the next try may succeed.
      }
    }
    setTimeout(refresh, EVERY);
  };

  setTimeout(refresh, EVERY);
}
