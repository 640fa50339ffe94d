import { expect, test } from "vitest";

import type { Me } from "../shared/me";
import { below, beside, choices, hasChoice, outside, remembered, samePlace, stored, thingIn } from "./teams";

const ME: Me = {
  contact: null,
  homes: ["team", "artifacts"],
  platform_role: null,
  seen_by: null,
  teams: [
    { name: "crm", role: "viewer", title: "Kundendienst" },
    { name: "data_science", role: "lead", title: "Data Science" },
    { name: "finance", role: "author", title: "Finanças" },
  ],
  user: "ada",
  view: "crm",
};
const AT = { base: "/airflow/t/crm", path: "/dags" };
const ids = (typed: string, recent: string[] = []): string[] => choices(ME, typed, recent, AT).map(({ id }) => id);

test.each([
  ["", ""],
  ["/t/crm", ""],
  ["/airflow/t/~", "/airflow"],
  ["/as/bob/t/crm", "/as/bob"],
])("outside of the view %j is %j", (base, root) => {
  expect(outside(base)).toBe(root);
  expect(below(base, "x_y")).toBe(`${root}/t/x_y`);
});

test.each([
  ["/dags/churn/runs/r1", "dags/churn"],
  ["/dags/a%2Fb", "dags/a%2Fb"],
  ["/assets/7", "assets/7"],
  ["/assets", null],
  ["/plugin/team", null],
])("the page %s is about %j", (path, thing) => expect(thingIn(path)).toBe(thing));

test.each([
  ["/", "/"],
  ["/dags", "/dags"],
  ["/dags/churn/runs/r1", "/"],
  ["/assets/7", "/assets"],
  ["/plugin/team", "/plugin/team"],
  ["/plugin/platform", "/"],
  ["/configs", "/"],
])("in another view, %s is %s", (path, place) => expect(samePlace(path)).toBe(place));

test("what was looked at last comes first, without repeating itself", () => {
  expect(ids("")).toEqual(["~", "data_science", "finance", "crm"]);
  expect(ids("", ["finance", "gone"])).toEqual(["~", "finance", "data_science", "crm"]);
  expect(remembered(["a", "b", "c"], "c")).toEqual(["c", "a", "b"]);
  expect(remembered(Array.from({ length: 20 }, (_, number) => `${number}`), "x")).toHaveLength(8);
});

test.each([
  ["data s", ["data_science"]],
  ["SCI", ["data_science"]],
  ["data-science", ["data_science"]],
  ["financas", ["finance"]],
  ["n", ["crm", "data_science", "finance"]],
  ["zzz", []],
])("who types %j gets %j", (typed, found) => expect(ids(typed).sort()).toEqual(found));

test("a beginning is better than a middle, and a recent one better than another", () => {
  expect(ids("d")[0]).toBe("data_science");
  expect(ids("n", ["finance"])[0]).toBe("finance");
});

test("a line leads to the same list in that view, and says which one is shown", () => {
  const [all, ...teams] = choices(ME, "", [], AT);
  expect(all).toMatchObject({ current: false, href: "/airflow/t/~/dags", title: "All my teams" });
  expect(teams.find(({ current }) => current)).toMatchObject({ href: "/airflow/t/crm/dags", note: "crm" });
  expect(teams.find(({ id }) => id === "data_science")).toMatchObject({ note: "", role: "lead" });
});

test("the two other teams looked at last are one click away, and lead to the same list", () => {
  const many: Me = { ...ME, teams: [...ME.teams, { name: "sales", role: "viewer", title: "Sales" }] };
  const near = (of: Me, recent: string[]): string[] => beside(of, recent, AT).map(({ id }) => id);
  expect(near(many, ["crm", "sales", "gone", "finance", "data_science"])).toEqual(["sales", "finance"]);
  expect(near({ ...many, view: null }, ["crm", "sales", "finance"])).toEqual(["crm", "sales"]);
  expect(near(many, ["crm"])).toEqual([]);
  expect(near(ME, ["crm", "finance"])).toEqual(["finance", "data_science"]);
  expect(near({ ...ME, teams: ME.teams.slice(0, 1), view: null }, ["crm"])).toEqual([]);
  expect(beside(ME, [], AT)[0]).toMatchObject({ href: "/airflow/t/data_science/dags", title: "Data Science" });
});

test("who holds a role on the platform finds its page", () => {
  const support: Me = { ...ME, homes: ["platform"], platform_role: "support", teams: [], view: null };
  expect(choices(support, "", [], AT).map(({ title }) => title)).toEqual(["Platform: every team at a glance", "All teams"]);
  expect([hasChoice(support), hasChoice(ME), hasChoice({ ...ME, teams: ME.teams.slice(1, 2) })]).toEqual([true, true, false]);
});

test.each([null, "", "{", "7", '{"a":1}', '["a",7,null]'])("what is stored may be anything: %j", (text) =>
  expect(stored(text)).toEqual(text === '["a",7,null]' ? ["a"] : []),
);

test("300 teams are searched in no time", () => {
  const teams = Array.from({ length: 300 }, (_, number) => ({ name: `team_${number}`, role: "viewer", title: `Team Number ${number}` }));
  const begun = performance.now();
  expect(choices({ ...ME, teams }, "number 29", [], AT)).toHaveLength(11);
  expect(performance.now() - begun).toBeLessThan(50);
});
