// `/` goes to the search of a list, as on many sites.
"use strict";
document.addEventListener("keydown", (event) => {
  const search = document.getElementById("searchbar");
  const isTyping = event.target.closest("input, select, textarea, [contenteditable]");
  if (search && event.key === "/" && !isTyping && !event.ctrlKey && !event.metaKey && !event.altKey) {
    event.preventDefault();
    search.focus();
    search.select();
  }
});
