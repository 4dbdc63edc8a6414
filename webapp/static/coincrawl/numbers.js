// Writes numbers as webapp/coins/numbers.py does: 1.38 T, 96,114.08, 0.0012, and 0.0₈1235 with eight zeros after the point.
"use strict";
const coinNumbers = (() => {
  const units = [[1e12, "T"], [1e9, "B"], [1e6, "M"]];
  const grouped = (value, least, most) =>
    value.toLocaleString("en", { minimumFractionDigits: least, maximumFractionDigits: most });
  const raised = (number) => [...String(number)].map((digit) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[digit] ?? "⁻").join("");
  const lowered = (number) => [...String(number)].map((digit) => "₀₁₂₃₄₅₆₇₈₉"[digit]).join("");

  function powerOfTen(value, digits) {
    const [mantissa, exponent] = value.toExponential(digits - 1).split("e");
    return `${Number(mantissa)} × 10${raised(Number(exponent))}`;
  }

  // Below 1: so many significant digits, of which two stay, also if they are zeros. More than five zeros are counted.
  function fraction(value, digits) {
    const text = value.toFixed(digits - 1 - Math.floor(Math.log10(Math.abs(value))));
    const [whole, places] = text.split(".");
    const kept = places.slice(0, 2) + places.slice(2).replace(/0+$/, "");
    const zeros = kept.match(/^0*/)[0].length;
    return zeros > 5 ? `${whole}.0${lowered(zeros)}${kept.slice(zeros)}` : `${whole}.${kept}`;
  }

  // At a glance.
  function compact(value) {
    if (!value) return "0";
    const size = Math.abs(value);
    if (size >= 999.995e12 || size < 1e-15) return powerOfTen(value, 4);
    for (const [power, unit] of units) {
      const inUnits = (value / power).toFixed(2);
      if (Math.abs(inUnits) >= 1) return `${inUnits} ${unit}`;
    }
    if (Number.isInteger(value)) return grouped(value, 0, 0);
    return size < 1 ? fraction(value, 4) : grouped(value, 2, 2);
  }

  // As many digits as a chart can tell.
  function full(value) {
    if (!value) return "0";
    const size = Math.abs(value);
    if (size >= 1e15 || size < 1e-15) return powerOfTen(value, 8);
    return size < 1 ? fraction(value, 8) : grouped(Number(value.toPrecision(8)), 0, 8);
  }

  return { compact, full };
})();
