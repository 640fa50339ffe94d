/** Times, sizes and numbers, as the reader's language and Airflow's own time zone setting want them. Pure but for those. */

const UNITS = ["B", "kB", "MB", "GB", "TB", "PB"] as const;
const STEPS: ReadonlyArray<readonly [Intl.RelativeTimeFormatUnit, number]> = [
  ["year", 31_557_600],
  ["month", 2_629_800],
  ["week", 604_800],
  ["day", 86_400],
  ["hour", 3600],
  ["minute", 60],
];

/** The language that Airflow's page is in. */
export const language = (): string => document.documentElement.lang || navigator.language || "en";

/** The time zone that the reader chose in Airflow, or undefined for the browser's own. */
export function zone(stored: string | null = localStorage.getItem("timezone")): string | undefined {
  const name = stored?.replace(/^"|"$/gu, "");
  if (!name || name === "local") return undefined;
  try {
    new Intl.DateTimeFormat("en", { timeZone: name });
    return name;
  } catch {
    return undefined;
  }
}

/** A moment in full: for a title, or a cell of a table. */
export const moment = (iso: string, lang = language(), timeZone = zone()): string =>
  new Intl.DateTimeFormat(lang, { dateStyle: "medium", timeStyle: "short", timeZone }).format(new Date(iso));

/** How long ago, or in how long: "5 minutes ago". */
export function ago(iso: string, now: number = Date.now(), lang = language()): string {
  const seconds = (new Date(iso).getTime() - now) / 1000;
  const words = new Intl.RelativeTimeFormat(lang, { numeric: "auto" });
  const [unit, size] = STEPS.find(([, step]) => Math.abs(seconds) >= step) ?? (["second", 1] as const);
  return words.format(Math.round(seconds / size), unit);
}

/** A length of time, of two units at most: "3 h 12 min", "4.2 s". */
export function duration(seconds: number, lang = language()): string {
  const number = (value: number, unit: string, digits = 0): string =>
    new Intl.NumberFormat(lang, { style: "unit", unit, maximumFractionDigits: digits }).format(value);
  if (seconds < 60) return number(seconds, "second", seconds < 10 ? 1 : 0);
  const whole = Math.round(seconds);
  const parts: Array<[number, string]> = [
    [Math.floor(whole / 86_400), "day"],
    [Math.floor((whole % 86_400) / 3600), "hour"],
    [Math.floor((whole % 3600) / 60), "minute"],
    [whole % 60, "second"],
  ];
  const first = parts.findIndex(([value]) => value > 0);
  const shown = parts.slice(first, first + 2).filter(([value]) => value > 0);
  return shown.map(([value, unit]) => number(value, unit)).join(" ");
}

/** A size in bytes, in the unit that leaves one to three digits before the point. */
export function size(bytes: number, lang = language()): string {
  const step = bytes < 1 ? 0 : Math.min(UNITS.length - 1, Math.floor(Math.log10(bytes) / 3));
  const value = bytes / 1000 ** step;
  return `${new Intl.NumberFormat(lang, { maximumFractionDigits: value < 10 && step > 0 ? 1 : 0 }).format(value)} ${UNITS[step]}`;
}

/** An amount of memory, in the units that team files count in: of 1024. */
export const memory = (bytes: number, lang = language()): string =>
  bytes < 2 ** 30
    ? `${new Intl.NumberFormat(lang).format(Math.ceil(bytes / 2 ** 20))} MB`
    : `${new Intl.NumberFormat(lang, { maximumFractionDigits: 1 }).format(bytes / 2 ** 30)} GB`;

/** A number with the reader's separators. */
export const count = (value: number, lang = language()): string => new Intl.NumberFormat(lang).format(value);
