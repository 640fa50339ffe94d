import { expect, test } from "vitest";

import { around, called, drawn, layout, tied, ties, type Edge, type Lineage, type Node } from "./graph";

const node = (id: string): Node => {
  const [kind = "", rest = ""] = id.split(":");
  const [team = "", name = ""] = rest.split("/");
  return { id, kind: kind as Node["kind"], team, name, title: null };
};
const of = (...edges: Array<[string, Edge["how"], string]>): Lineage => ({
  team: "us",
  nodes: [...new Set(edges.flatMap(([source, , target]) => [source, target])), "dag:us/alone"].map(node),
  edges: edges.map(([source, how, target]) => ({ source, how, target })),
  complete: true,
});
const CHAIN = of(
  ["asset:them/raw", "starts", "dag:us/clean"],
  ["dag:us/clean", "makes", "asset:us/clean"],
  ["asset:them/raw", "made", "asset:us/clean"],
  ["asset:us/clean", "shared", "team:you/you"],
  ["asset:us/clean", "read", "dag:us/report"],
  ["dag:us/other", "makes", "asset:us/other"],
);
const column = (lineage: Lineage, id: string): number => layout(lineage).nodes.find((each) => each.id === id)?.column ?? -1;

test("data goes from left to right", () => {
  expect(["asset:them/raw", "dag:us/clean", "asset:us/clean", "team:you/you"].map((id) => column(CHAIN, id))).toEqual([0, 1, 2, 3]);
  expect(column(CHAIN, "dag:us/report")).toBe(3);
});

test("what comes from nowhere stands beside what it goes to", () => {
  const late = of(["dag:us/a", "makes", "asset:us/a"], ["asset:us/a", "starts", "dag:us/b"], ["asset:them/x", "read", "dag:us/b"]);
  expect(column(late, "asset:them/x")).toBe(1);
});

test("who goes round in circles is drawn all the same, each once", () => {
  const circle = of(["dag:us/a", "makes", "asset:us/a"], ["asset:us/a", "starts", "dag:us/a"], ["asset:us/a", "made", "asset:us/a"]);
  const { nodes, columns } = layout(tied(circle));
  expect(nodes.map(({ id }) => id).sort()).toEqual(["asset:us/a", "dag:us/a"]);
  expect(columns).toBe(2);
});

test("nodes of a column stand in rows of their own", () => {
  const wide = of(...Array.from({ length: 30 }, (_, at): [string, Edge["how"], string] => [`asset:them/a${at}`, "read", `dag:us/d${29 - at}`]));
  const { nodes, rows } = layout(tied(wide));
  expect(rows).toBe(30);
  expect(new Set(nodes.map((each) => `${each.column} ${each.row}`)).size).toBe(60);
  const crossing = wide.edges.filter(({ source, target }) => {
    const [from, to] = [source, target].map((id) => nodes.find((each) => each.id === id)?.row);
    return from !== to;
  });
  expect(crossing).toEqual([]);
});

test("nothing is drawn of nothing", () => expect(layout({ ...CHAIN, nodes: [], edges: [] })).toEqual({ nodes: [], columns: 0, rows: 0 }));

test("around an asset is all that it comes from and goes to", () => {
  const found = around(CHAIN, "dag:us/clean");
  expect(found.nodes.map(({ id }) => id)).not.toContain("dag:us/other");
  expect(found.nodes).toHaveLength(5);
  expect(around(CHAIN, "asset:us/nothing").nodes).toEqual([]);
});

test("what is tied to nothing is left out", () => expect(tied(CHAIN).nodes.map(({ id }) => id)).not.toContain("dag:us/alone"));

test("what a Dag between them shows is drawn once", () => {
  expect(drawn(CHAIN).filter(({ how }) => how === "made")).toEqual([]);
  const elsewhere = of(["asset:them/raw", "made", "asset:us/clean"], ["dag:us/other", "makes", "asset:us/clean"], ["asset:us/a", "made", "asset:us/a"]);
  expect(drawn(elsewhere).map(({ how }) => how)).toEqual(["made", "makes"]);
});

test("ties in words", () => {
  const told = ties(CHAIN, "asset:us/clean").map(([words, nodes]) => [words, nodes.map((each) => called(each, "us"))]);
  expect(told).toEqual([
    ["made by", ["clean"]],
    ["made of", ["them / raw"]],
    ["read by", ["report"]],
    ["shared with", ["you"]],
  ]);
});
