import { expect, test } from "vitest";

import type { Mood, TeamHealth } from "./model";
import { busyWords, chosen, figures, firstPlace, homeOf, lastHours, nameOf, pageOf, placeToAct, runCounts, tally, took } from "./telling";

const NOTHING = { slots: 16, runs: 0, failed_runs: 0, failing: 0, running: 0, waiting: 0, late: 0, import_errors: 0 };
const team = (name: string, moods: Mood[], more: Partial<TeamHealth> = {}): TeamHealth => ({
  ...{ name, title: name.toUpperCase(), moods, words: "", dags: 1 },
  ...NOTHING,
  ...more,
});
const place = { team: null, dag_id: "etl", run_id: null, task_id: null, map_index: -1 };

test("every one of the last 24 hours is there, and what is older counts to the first", () => {
  const hours = [
    { hour: "2026-03-01T12:00:00Z", state: "failed", count: 2 },
    { hour: "2026-02-28T12:00:00Z", state: "success", count: 3 },
    { hour: "2026-03-01T11:00:00Z", state: "unheard_of", count: 9 },
  ];
  const found = lastHours(hours, "2026-03-01T12:34:00Z");
  expect(found).toHaveLength(24);
  expect(found[23]?.failed).toBe(2);
  expect(found[0]?.success).toBe(3);
  expect(runCounts(hours)).toEqual({ success: 3, failed: 2, running: 0, queued: 0 });
});

test.each([
  ["2026-03-01T12:00:00Z", "2026-03-01T12:01:30Z", 90],
  ["2026-03-01T12:00:00Z", null, 2040],
  ["2026-03-01T12:34:05Z", null, 0], // by another clock
  [null, null, 0],
])("a run that began at %s and ended at %s took %d s", (began, ended, seconds) =>
  expect(took({ began, ended }, "2026-03-01T12:34:00Z")).toBe(seconds),
);

test.each([
  [place, "/dags/etl", "etl"],
  [{ ...place, task_id: "load" }, "/dags/etl/tasks/load", "etl.load"],
  [{ ...place, run_id: "a+b:c" }, "/dags/etl/runs/a%2Bb%3Ac", "etl"],
  [{ ...place, run_id: "r", task_id: "load", map_index: 3 }, "/dags/etl/runs/r/tasks/load/mapped/3", "etl.load[3]"],
])("%o leads to %s", (where, path, name) => {
  expect(pageOf(where)).toBe(path);
  expect(nameOf(where)).toBe(name);
});

test("who waits for a person or for places is led to where these are", () => {
  expect([placeToAct("person"), placeToAct("pool"), placeToAct("trigger")]).toEqual(["/required_actions", "/pools", null]);
});

test.each([
  ["folder", "…/teams/sales", "the team's folder on the platform's machine", "…/teams/sales"],
  ["git", "branch main, folder sales", "the team's git repository", "branch main, folder sales"],
  ["object_store", "all of it", "the team's object store", null],
])("the first Dag of a team with a %s (%s) goes into %s", (kind, place, into, told) =>
  expect(firstPlace({ kind, place, version: null, fetched: null, problem: null, left_out: 0 })).toMatchObject({ into, place: told }),
);

test.each([
  [0, "< 1 %"],
  [0.034, "3 %"],
  [1.02, "102 %"],
  [3.96, "4.0 processors"],
])("who keeps %d processors busy: %s", (busy, words) => expect(busyWords(busy)).toBe(words));

test("a tile says the two worst figures", () => {
  expect(figures(team("a", ["failing"], { failing: 1, late: 2, runs: 9 }))).toBe("1 Dag fails · 2 late");
  expect(figures(team("a", ["well"], { runs: 24 }))).toBe("24 runs");
  expect(figures(team("a", ["quiet"]))).toBe("nothing ran");
  expect(figures(team("a", ["empty"], { dags: 0 }))).toBe("no Dags");
});

test("teams are chosen by what holds of them and by a part of their names", () => {
  const all = [team("sales", ["failing", "late"]), team("science", ["well"]), team("ops", ["late"])];
  const names = (moods: Mood[], text = ""): string[] => chosen(all, new Set(moods), text).map(({ name }) => name);
  expect(names([])).toHaveLength(3);
  expect(names(["late"])).toEqual(["sales", "ops"]);
  expect(names(["late", "well"], " S ")).toEqual(["sales", "science", "ops"]);
  expect(names([], "sci")).toEqual(["science"]);
  expect(tally(all).get("late")).toBe(2);
});

test.each(["", "/airflow", "/airflow/t/other"])("a team's home lies in its view, also from %s", (base) =>
  expect(homeOf(base, "sales")).toBe(`${base.startsWith("/airflow") ? "/airflow" : ""}/t/sales/plugin/team`),
);
