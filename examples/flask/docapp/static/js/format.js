// Numbers and times as the pages write them (pages.py has the same rules).

const number = new Intl.NumberFormat("en");

export function amount(value, unit) {
  if (value === null || value === undefined) return "unlimited";
  if (unit === "byte") {
    for (const [size, name] of [[1e9, "GB"], [1e6, "MB"], [1e3, "kB"]]) {
      if (Math.abs(value) >= 0.9995 * size) return `${Number((value / size).toPrecision(3))} ${name}`;
    }
    return `${number.format(value)} bytes`;
  }
  return unit ? `${number.format(value)} ${unit}${Math.abs(value) === 1 ? "" : "s"}` : number.format(value);
}

export function moment(iso) {
  const at = new Date(iso);
  const date = new Intl.DateTimeFormat("en-GB", { dateStyle: "long", timeZone: "UTC" }).format(at);
  const time = new Intl.DateTimeFormat("en-GB", { timeStyle: "short", timeZone: "UTC" }).format(at);
  return `${date}, ${time} UTC`;
}

export function price(cents) {
  return cents ? `$${(cents / 100).toFixed(2).replace(/\.00$/, "")} a month` : "Free of charge";
}
