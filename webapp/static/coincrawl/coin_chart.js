// Draws a coin's chart again with uPlot: values on pointing, zoom by dragging.
"use strict";
const HEIGHT_OF_TIMES = 45; // px; the year is on a second line
document.addEventListener("DOMContentLoaded", () => {
  const source = document.getElementById("chart-data");
  const place = document.getElementById("drawings");
  if (!source || !place || typeof uPlot === "undefined") return;
  const { columns, dashes, spacing, limits, gaps, is_log: isLog, names } = JSON.parse(source.textContent);
  const [times, ...lines] = columns;
  if (times.length < 2) return; // the drawing from the server has a dot
  // uPlot has axes for values from 1e-16 to 1e16, so others are drawn by a power of ten greater or smaller.
  const known = lines.map((line) => line.filter((value) => value !== null));
  const greatest = known.map((line) => Math.max(...line.map(Math.abs)));
  const factors = greatest.map((value) => (value > 0 && (value < 1e-6 || value > 1e15) ? 10 ** -Math.floor(Math.log10(value)) : 1));
  const heights = [280, 80, 80]; // without the times, which are below the last one
  const [price, , volume] = names.keys();
  const shown = [...names.keys()].filter((number) => known[number].length);
  const compact = (value) => compactNumber(value);
  const eightDigits = new Intl.NumberFormat("en", { maximumSignificantDigits: 8 });
  const isUsual = (value) => value === 0 || (Math.abs(value) >= 1e-6 && Math.abs(value) < 1e15);
  const full = (value) => (isUsual(value) ? eightDigits.format(value) : compactNumber(value, 8));

  // Times, in UTC ------------------------------------------------------------------------------
  const moment = (seconds) => new Date(seconds * 1e3);
  const second = (seconds) => moment(seconds).toISOString().slice(0, 19).replace("T", " ");
  const minute = (seconds) => second(seconds).slice(0, 16);
  const year = (seconds) => moment(seconds).getUTCFullYear();
  const layout = (parts) => new Intl.DateTimeFormat("en-GB", { timeZone: "UTC", hourCycle: "h23", ...parts });
  const clock = layout({ hour: "2-digit", minute: "2-digit" });
  const day = layout({ day: "numeric", month: "short" });
  const isOfYears = year(limits[0]) !== year(limits[1]);
  const tick = (seconds, number, all) => {
    const text = (seconds % 86400 ? clock : day).format(moment(seconds));
    const isNew = number === 0 || year(seconds) !== year(all[number - 1]);
    return isOfYears && isNew ? `${text}\n${year(seconds)}` : text;
  };

  // The lines above the chart ------------------------------------------------------------------
  const values = document.getElementById("chart-values");
  const reset = document.getElementById("reset-zoom");
  const summary = document.getElementById("chart-summary");
  const whole = ["low", "high", "of-price"].map((name) => summary.querySelector(`.${name}`).cloneNode(true));
  const rows = ["UTC", ...shown.map((number) => names[number])].map((name) => {
    const [row, term, text] = ["div", "dt", "dd"].map((tag) => document.createElement(tag));
    term.textContent = name;
    row.append(term, text);
    values.append(row);
    return text;
  });
  values.classList.add("unused");
  values.hidden = false;
  // A finger scrolls the page when it drags, so that only a pointer can zoom in.
  const hint = matchMedia("(hover: none)").matches ? "tap the chart" : "point at the chart, drag to zoom in";

  const digits = (value) => (value === null || value === undefined ? "-" : full(value));
  const point = (number) => {
    const isOn = number !== null && number !== undefined;
    if (isOn) values.classList.remove("unused"); // for good: a chart that moves back loses the pointer
    rows[0].textContent = isOn ? second(times[number]) : hint;
    shown.forEach((line, row) => { rows[row + 1].textContent = isOn ? digits(lines[line][number]) : "-"; });
  };

  function change(first, last) {
    const found = document.createElement("span");
    const percent = (last / first - 1) * 100;
    const rounded = percent && (Math.abs(percent) < 0.005 || Math.abs(percent) >= 1e4) ? compact(percent) : percent.toFixed(2);
    found.className = `change ${percent > 0 ? "up" : percent < 0 ? "down" : "level"}`;
    found.textContent = `${percent > 0 ? "▲ +" : percent < 0 ? "▼ " : ""}${rounded} %`;
    return found;
  }

  // Low, high and change of what is seen.
  function summarize(from, to) {
    const isWhole = from <= limits[0] && to >= limits[1];
    const seen = lines[price].filter((value, number) => value !== null && times[number] >= from && times[number] <= to);
    const [low, high, ofPrice] = ["low", "high", "of-price"].map((name) => summary.querySelector(`.${name}`));
    if (isWhole) {
      [low, high, ofPrice].forEach((span, number) => span.replaceChildren(...whole[number].cloneNode(true).childNodes));
    } else {
      low.textContent = seen.length ? compact(Math.min(...seen)) : "-";
      high.textContent = seen.length ? compact(Math.max(...seen)) : "-";
      ofPrice.replaceChildren(seen[0] > 0 ? change(seen[0], seen[seen.length - 1]) : "-");
    }
    reset.hidden = isWhole;
    summary.querySelector(".zoomed").textContent = isWhole ? "" : `${minute(from)} to ${minute(to)} UTC: `;
  }

  // The charts ---------------------------------------------------------------------------------
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const shade = (chart) => {
    const { left, top, width, height } = chart.bbox;
    const within = (seconds) => Math.min(Math.max(chart.valToPos(seconds, "x", true), left), left + width);
    chart.ctx.fillStyle = colour("--gap");
    for (const [since, until] of gaps) {
      chart.ctx.fillRect(within(since), top, within(until) - within(since), height);
    }
  };
  const drawDashes = (number) => (chart) => {
    const { ctx, bbox } = chart;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    ctx.beginPath();
    for (const [from, first, to, last] of dashes[number]) {
      ctx.moveTo(chart.valToPos(from, "x", true), chart.valToPos(first * factors[number], "y", true));
      ctx.lineTo(chart.valToPos(to, "x", true), chart.valToPos(last * factors[number], "y", true));
    }
    ctx.setLineDash([4 * uPlot.pxRatio, 4 * uPlot.pxRatio]);
    ctx.lineWidth = uPlot.pxRatio;
    ctx.strokeStyle = colour("--link-fg");
    ctx.stroke();
    ctx.restore();
  };
  // The places of values by themselves, which no line would show.
  const isolated = (line) => {
    const isNone = (place) => (line[place] ?? null) === null;
    return [...line.keys()].filter((place) => !isNone(place) && isNone(place - 1) && isNone(place + 1));
  };
  const bars = (chart, series, first, last) => {
    const fill = new Path2D();
    const { left, width } = chart.bbox;
    const { min, max } = chart.scales.x;
    const wide = Math.max(0.8 * spacing / (max - min) * width, uPlot.pxRatio);
    const bottom = chart.valToPos(0, "y", true);
    for (let number = first; number <= last; number++) {
      const value = chart.data[series][number];
      if (value === null) continue;
      const middle = chart.valToPos(chart.data[0][number], "x", true);
      const [begin, end] = [Math.max(middle - wide / 2, left), Math.min(middle + wide / 2, left + width)];
      const top = chart.valToPos(value, "y", true);
      fill.rect(begin, Math.min(top, bottom), end - begin, Math.abs(bottom - top));
    }
    return { fill, stroke: null };
  };
  // The chosen range, until somebody zooms in.
  const across = (_, min, max) => (min <= times[0] && max >= times[times.length - 1] ? limits : [min, max]);
  const upAndDown = (number) => (_, min, max) => {
    if (isLog && number === price) return [min / 1.02, max * 1.02];
    if (number === volume) return [Math.min(min * 1.05, 0), Math.max(max * 1.05, 0) || 1];
    const room = (max - min || Math.abs(max) || 1) * 0.05;
    return [min - room, max + room];
  };
  // On a logarithmic scale, uPlot names powers of ten, of which a short range has none. So the values of the grid are
  // those of the server's drawing (chart_drawing.py).
  const MOST = 5;
  const range = (first, last, every = 1) => {
    const found = [];
    for (let number = first; number <= last; number += every) found.push(number);
    return found;
  };
  const roundTicks = (low, high) => {
    const power = Math.floor(Math.log10((high - low) / MOST));
    const steps = [1, 2, 5, 10].map((factor) => factor * 10 ** power);
    const step = steps.find((one) => Math.floor(high / one) - Math.ceil(low / one) < MOST);
    return range(Math.ceil(low / step), Math.floor(high / step)).map((place) => place * step);
  };
  const logTicks = (_, axis, low, high) => {
    if (!(low > 0 && high > low)) return []; // nothing is seen
    if (high < 10 * low) return roundTicks(low, high);
    const [first, last] = [Math.log10(low), Math.floor(Math.log10(high))];
    if (high < 100 * low) {
      const found = range(Math.floor(first), last).flatMap((power) => [1, 2, 5].map((factor) => factor * 10 ** power));
      return found.filter((value) => low <= value && value <= high);
    }
    const begin = Math.ceil(first);
    return range(begin, last, Math.ceil((last - begin + 1) / MOST)).map((power) => 10 ** power);
  };
  const height = (row) => heights[shown[row]] + (row === shown.length - 1 ? HEIGHT_OF_TIMES : 8);
  let charts = [];

  function draw() {
    charts.forEach((chart) => chart.destroy());
    place.replaceChildren();
    const lineColour = colour("--link-fg");
    const axis = { stroke: colour("--body-quiet-color"), grid: { stroke: colour("--hairline-color"), width: 1 } };
    charts = shown.map((number, row) => {
      const figure = document.createElement("figure");
      const caption = document.createElement("figcaption");
      caption.textContent = names[number][0].toUpperCase() + names[number].slice(1);
      figure.append(caption);
      place.append(figure);
      const isLast = row === shown.length - 1;
      return new uPlot({
        width: place.clientWidth,
        height: height(row),
        legend: { show: false },
        tzDate: (seconds) => uPlot.tzDate(moment(seconds), "Etc/UTC"),
        cursor: { y: false, sync: { key: "coin" } },
        hooks: {
          drawClear: [shade],
          draw: number === volume ? [] : [drawDashes(number)],
          setCursor: [(chart) => point(chart.cursor.idx)],
          setScale: row === 0 ? [(chart, key) => key === "x" && summarize(chart.scales.x.min, chart.scales.x.max)] : [],
        },
        scales: { x: { range: across }, y: { distr: isLog && number === price ? 3 : 1, range: upAndDown(number) } },
        series: [
          {},
          {
            ...(number === volume
              ? { paths: bars, fill: lineColour, points: { show: false } }
              : { stroke: lineColour, width: 1.5, points: { show: true, filter: () => isolated(lines[number]), size: 7 } }),
          },
        ],
        axes: [
          { ...axis, size: isLast ? HEIGHT_OF_TIMES : 8, values: (_, ticks) => (isLast ? ticks.map(tick) : []) },
          {
            ...axis, size: 90, space: 25, ...(isLog && number === price ? { splits: logTicks } : {}), filter: (_, ticks) => ticks,
            values: (_, ticks) => ticks.map((value) => (value === null ? "" : compact(value / factors[number]))),
          },
        ],
      }, [times, lines[number].map((value) => value && value * factors[number])], figure);
    });
  }

  draw();
  point(null);
  reset.addEventListener("click", () => {
    charts.forEach((chart) => chart.setScale("x", { min: limits[0], max: limits[1] }));
  });
  let width = place.clientWidth;
  new ResizeObserver(() => {
    if (place.clientWidth !== width) {
      width = place.clientWidth;
      charts.forEach((chart, row) => chart.setSize({ width, height: height(row) }));
    }
  }).observe(place);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  new MutationObserver(draw).observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
});
