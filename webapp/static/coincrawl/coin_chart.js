// Draws a coin's chart again with uPlot: values on pointing, zoom by dragging, double click to go back.
"use strict";
document.addEventListener("DOMContentLoaded", () => {
  const source = document.getElementById("chart-data");
  const place = document.getElementById("drawings");
  if (!source || !place || typeof uPlot === "undefined") return;
  const { columns, limits, gaps, is_log: isLog, names } = JSON.parse(source.textContent);
  const [times, ...lines] = columns;
  if (times.length < 2) return; // the drawing from the server has a dot
  // uPlot has axes for values from 1e-16 to 1e16, so others are drawn by a power of ten greater or smaller.
  const known = lines.map((line) => line.filter((value) => value !== null));
  const greatest = known.map((line) => Math.max(...line.map(Math.abs)));
  const factors = greatest.map((value) => (value > 0 && (value < 1e-6 || value > 1e15) ? 10 ** -Math.floor(Math.log10(value)) : 1));
  const heights = [300, 110, 110];
  const digits = new Intl.NumberFormat("en", { maximumSignificantDigits: 8 });
  const isUsual = (value) => value === 0 || (Math.abs(value) >= 1e-6 && Math.abs(value) < 1e15);
  const brief = (value) => (value === null ? "" : compactNumber(value));
  const full = (value) =>
    value === null || value === undefined ? "-" : isUsual(value) ? digits.format(value) : compactNumber(value, 8);
  const shown = names.map((_, place) => place).filter((place) => known[place].length);
  const span = limits[1] - limits[0];
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
  // The chosen range, until somebody zooms in.
  const across = (_, min, max) => (min <= times[0] && max >= times[times.length - 1] ? limits : [min, max]);
  const upAndDown = (isLogarithmic) => (_, min, max) => {
    if (isLogarithmic) return [min / 1.02, max * 1.02];
    const room = (max - min || Math.abs(max) || 1) * 0.05;
    return [min - room, max + room];
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
      scales: {
        x: { range: across },
        y: { distr: isLog && number === 0 ? 3 : 1, range: upAndDown(isLog && number === 0) },
      },
      series: [
        {
          label: "UTC",
          value: (_, seconds) => (seconds === null ? "-" : moment(seconds).toISOString().slice(0, 19).replace("T", " ")),
        },
        {
          label: names[number], stroke: colour("--link-fg"), width: 1.5,
          points: { show: known[number].length === 1, size: 7 }, // a line that has one value only
          value: (_, value) => full(value && value / factors[number]),
        },
      ],
      axes: [
        {
          stroke: colour("--body-quiet-color"), grid: { stroke: colour("--hairline-color"), width: 1 },
          values: (_, values) => values.map(tick),
        },
        {
          stroke: colour("--body-quiet-color"), grid: { stroke: colour("--hairline-color"), width: 1 }, size: 70,
          filter: (_, values) => values,
          values: (_, values) => values.map((value) => brief(value && value / factors[number])),
        },
      ],
    }, [times, lines[number].map((value) => value && value * factors[number])], place));
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
