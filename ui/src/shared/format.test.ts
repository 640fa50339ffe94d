import { expect, test } from "vitest";

import { ago, count, duration, memory, moment, size, zone } from "./format";

const NOW = Date.parse("2026-03-01T12:00:00Z");

test.each([
  ["2026-03-01T11:59:30Z", "30 seconds ago"],
  ["2026-03-01T11:00:00Z", "1 hour ago"],
  ["2026-02-28T12:00:00Z", "yesterday"],
  ["2026-03-01T12:05:00Z", "in 5 minutes"],
])("%s is %s", (iso, words) => expect(ago(iso, NOW, "en")).toBe(words));

test.each([
  [0.42, "0.4 sec"],
  [59.4, "59 sec"],
  [61, "1 min 1 sec"],
  [7200, "2 hr"],
  [200_000, "2 days 7 hr"],
])("%d seconds are %s", (seconds, words) => expect(duration(seconds, "en")).toBe(words));

test.each([
  [0, "0 B"],
  [999, "999 B"],
  [1500, "1.5 kB"],
  [12_345_678, "12 MB"],
])("%d bytes are %s", (bytes, words) => expect(size(bytes, "en")).toBe(words));

test.each([
  [0, "0 MB"],
  [1, "1 MB"],
  [512 * 2 ** 20, "512 MB"],
  [1.5 * 2 ** 30, "1.5 GB"],
])("%d bytes of memory are %s", (bytes, words) => expect(memory(bytes, "en")).toBe(words));

test("what is said follows the reader's language and time zone", () => {
  expect(count(12_345, "de")).toBe("12.345");
  expect(moment("2026-03-01T12:00:00Z", "en-GB", "Asia/Tokyo")).toContain("21:00");
});

test.each([
  [null, undefined],
  ["local", undefined],
  ['"Europe/Berlin"', "Europe/Berlin"],
  ["Nowhere/Land", undefined],
])("the stored zone %s means %s", (stored, name) => expect(zone(stored)).toBe(name));
