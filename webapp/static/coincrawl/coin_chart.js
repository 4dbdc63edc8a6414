// Draws a coin's chart again with uPlot: values on pointing, zoom by dragging, double click to go back.
"use strict";
document.addEventListener("DOMContentLoaded", () => {
  const source = document.getElementById("chart-data");
  const place = document.getElementById("drawings");
  if (!source || !place || typeof uPlot === "undefined") return;
  const { columns, gaps, is_log: isLog, names } = JSON.parse(source.textContent);
  const [times, ...lines] = columns;
  const heights = [300, 110, 110];
  const digits = new Intl.NumberFormat("en", { maximumSignificantDigits: 8 });
  const short = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 4 });
  const brief = (value) =>
    value === null ? "-" : Math.abs(value) >= 1e-5 || value === 0 ? short.format(value) : value.toExponential(2);
  const full = (value) =>
    value === null || value === undefined ? "-" : Math.abs(value) >= 1e-5 || value === 0 ? digits.format(value) : value.toExponential(7);
  const shown = names.map((_, place) => place).filter((place) => lines[place].some((value) => value !== null));
  const span = times[times.length - 1] - times[0];
  const layout = (parts) => new Intl.DateTimeFormat("en-GB", { timeZone: "UTC", hourCycle: "h23", ...parts });
  const clock = layout({ hour: "2-digit", minute: "2-digit" });
  const day = layout(span > 366 * 86400 ? { month: "short", year: "numeric" } : { day: "numeric", month: "short" });
  const moment = (seconds) => new Date(seconds * 1e3);
  const tick = (seconds) => (seconds % 86400 ? clock : day).format(moment(seconds));
  const shade = (chart, colour) => {
    const { left, top, width, height } = chart.bbox;
    const within = (seconds) => Math.min(Math.max(chart.valToPos(seconds, "x", true), left), left + width);
    chart.ctx.fillStyle = colour;
    for (const [since, until] of gaps) {
      chart.ctx.fillRect(within(since), top, within(until) - within(since), height);
    }
  };
  let charts = [];

  function draw() {
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(name).trim();
    charts.forEach((chart) => chart.destroy());
    place.replaceChildren();
    charts = shown.map((number) => new uPlot({
      width: place.clientWidth,
      height: heights[number],
      tzDate: (seconds) => uPlot.tzDate(moment(seconds), "Etc/UTC"),
      cursor: { sync: { key: "coin" } },
      hooks: { drawClear: [(chart) => shade(chart, colour("--message-warning-bg"))] },
      scales: { y: { distr: isLog && number === 0 ? 3 : 1 } },
      series: [
        {
          label: "UTC",
          value: (_, seconds) => (seconds === null ? "-" : moment(seconds).toISOString().slice(0, 19).replace("T", " ")),
        },
        { label: names[number], stroke: colour("--link-fg"), width: 1.5, points: { show: false }, value: (_, value) => full(value) },
      ],
      axes: [
        {
          stroke: colour("--body-quiet-color"), grid: { stroke: colour("--hairline-color"), width: 1 },
          values: (_, values) => values.map(tick),
        },
        {
          stroke: colour("--body-quiet-color"), grid: { stroke: colour("--hairline-color"), width: 1 }, size: 70,
          values: (_, values) => values.map(brief),
        },
      ],
    }, [times, lines[number]], place));
  }

  draw();
  let width = place.clientWidth;
  new ResizeObserver(() => {
    if (place.clientWidth !== width) {
      width = place.clientWidth;
      charts.forEach((chart, number) => chart.setSize({ width, height: heights[shown[number]] }));
    }
  }).observe(place);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  new MutationObserver(draw).observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
});
