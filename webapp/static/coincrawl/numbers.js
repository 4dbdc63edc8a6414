// Writes numbers as the server does (webapp/coins/numbers.py): 1.38 T, 96,114.08, 0.0012, and 0.0₈1235, which has eight
// zeros after the point. `digits` are those that count of values below 1 and of powers of ten.
"use strict";
function compactNumber(value, digits = 4) {
  const UNITS = [[1e12, "T"], [1e9, "B"], [1e6, "M"]];
  const raised = (number, characters) => [...String(number)].map((one) => characters["-0123456789".indexOf(one)]).join("");
  const size = Math.abs(value);
  const [mantissa, power] = size.toExponential(digits - 1).split("e");
  if (size >= 999.995e12) {
    return `${value < 0 ? "-" : ""}${Number(mantissa)} × 10${raised(Number(power), "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")}`;
  }
  for (const [unit, name] of UNITS) {
    if (Number((size / unit).toFixed(2)) >= 1) return `${(value / unit).toFixed(2)} ${name}`;
  }
  const zeros = -Number(power) - 1;
  if (size && zeros > 5) {
    return `${value < 0 ? "-" : ""}0.0${raised(zeros, "-₀₁₂₃₄₅₆₇₈₉")}${mantissa.replace(".", "").replace(/0+$/, "")}`;
  }
  const places = Number.isInteger(value) ? [0, 0] : size < 1 ? [2, zeros + digits] : [2, 2];
  return new Intl.NumberFormat("en", { minimumFractionDigits: places[0], maximumFractionDigits: places[1] }).format(value);
}
