import { expect, test } from "vitest";

import { above, asked, placeOf, search, shown, taskAddress } from "./places";

test.each([
  [null, { kind: "nothing" }],
  ["files", { kind: "nothing" }],
  ["published/de/users", { kind: "asset", owner: "de", asset: "users" }],
  ["published/de/users/v1/a.csv", { kind: "file", name: "a.csv" }],
  ["tables/de/users", { kind: "table", owner: "de", name: "users" }],
  ["tables/de/a/b", { kind: "table", owner: "de", name: "a/b" }],
  ["tables/de", { kind: "nothing" }],
  ["files/reports/june.csv", { kind: "file", name: "june.csv" }],
])("%s is a place", (at, place) => expect(placeOf(at)).toEqual(place));

test("a name cannot break its line or turn what is around it", () => {
  expect(shown("a\nb\u202Egpj.exe")).toBe("a\\u{a}b\\u{202e}gpj.exe");
  expect(shown("größe 表.csv")).toBe("größe 表.csv");
});

test("a tree unfolds what is above", () => {
  expect(above("files/a/b.csv")).toEqual(["files", "files/a"]);
  expect(above(null)).toEqual([]);
});

test("addresses keep what names hold", () => {
  expect(asked("de", "preview", "files/a&b=c#.csv")).toBe("/artifacts/de/preview?at=files%2Fa%26b%3Dc%23.csv");
  expect(search("de", "files/ä")).toBe("?team=de&at=files%2F%C3%A4");
  expect(taskAddress("d/1", "r+1", "t", -1)).toBe("/dags/d%2F1/runs/r%2B1/tasks/t");
  expect(taskAddress("d", "r", "t", 2)).toBe("/dags/d/runs/r/tasks/t/mapped/2");
  expect(taskAddress("d", null, null, null)).toBe("/dags/d");
});
