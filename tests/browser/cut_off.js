// The elements that end outside of the page, and those whose content is wider than they are. Boxes that scroll are
// meant to, and what is in them can be reached.
() => {
  const scrolls = (element) => ["auto", "scroll"].includes(getComputedStyle(element).overflowX);
  const isInBox = (element) => {
    for (let box = element.parentElement; box; box = box.parentElement) if (scrolls(box)) return true;
    return false;
  };
  const isSeen = (element) =>
    element.checkVisibility({ visibilityProperty: true, opacityProperty: true }) &&
    element.getBoundingClientRect().width > 1 &&
    !element.closest("svg, select, .visually-hidden, .uplot, .selector-chooser");
  const isOutside = (element) => {
    const { left, right } = element.getBoundingClientRect();
    return (left < -1 || right > innerWidth + 1) && !isInBox(element);
  };
  const spills = (element) =>
    !["inline", "contents"].includes(getComputedStyle(element).display) &&
    !element.matches("input, textarea") &&
    !scrolls(element) &&
    !element.matches(".colMS") && // Django's own layout: the last actions stand beside it
    element.scrollWidth > element.clientWidth + 1;
  const found = [...document.querySelectorAll("body *")].filter((e) => isSeen(e) && (isOutside(e) || spills(e)));
  const innermost = found.filter((element) => !found.some((other) => other !== element && element.contains(other)));
  const sideways = document.documentElement.scrollWidth > innerWidth ? ["The page scrolls sideways."] : [];
  return [...sideways, ...innermost.map((element) => `cut off: ${element.outerHTML.slice(0, 200)}`)];
}
