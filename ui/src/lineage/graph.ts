/** Where data comes from and goes to, as a graph: what is around something, in words, and where it is drawn. Pure. */

export type Node = {
  readonly id: string;
  readonly kind: "asset" | "dag" | "team";
  readonly team: string;
  readonly name: string;
  readonly title: string | null;
};

export type How = "made" | "makes" | "read" | "shared" | "starts";

export type Edge = { readonly source: string; readonly target: string; readonly how: How };

/** See `airspace.airflow.web.assets.lineage`. */
export type Lineage = { readonly team: string; readonly nodes: readonly Node[]; readonly edges: readonly Edge[]; readonly complete: boolean };

/** More than this is no drawing that anybody reads. */
export const MOST_DRAWN = 80;

/** What a tie is called, from the asset's side. */
const WORDS: ReadonlyArray<readonly [How, "source" | "target", string]> = [
  ["makes", "source", "made by"],
  ["made", "source", "made of"],
  ["starts", "target", "starts"],
  ["read", "target", "read by"],
  ["made", "target", "goes into"],
  ["shared", "target", "shared with"],
];

/** What is called how: a Dag's title, an asset with its team where that is another one. */
export const called = (node: Node, team: string): string =>
  node.kind === "asset" && node.team !== team ? `${node.team} / ${node.name}` : (node.title ?? node.name);

/** The ties of one node, by what they are: ["made by", [Dag, …]]. */
export function ties({ nodes, edges }: Lineage, id: string): Array<[string, Node[]]> {
  const known = new Map(nodes.map((node) => [node.id, node]));
  const told = WORDS.map(([how, side, words]): [string, Node[]] => {
    const other = side === "source" ? "target" : "source";
    return [words, edges.filter((edge) => edge.how === how && edge[other] === id).flatMap((edge) => known.get(edge[side]) ?? [])];
  });
  return told.filter(([, found]) => found.length > 0);
}

/** Everything that a node comes from, by whatever way, and everything that comes of it. */
export function around(lineage: Lineage, id: string): Lineage {
  const kept = new Set([id]);
  for (const [from, to] of [["target", "source"], ["source", "target"]] as const) {
    const next = [id];
    const seen = new Set(next);
    for (let at = next.pop(); at !== undefined; at = next.pop()) {
      for (const edge of lineage.edges) {
        if (edge[from] !== at || seen.has(edge[to])) continue;
        seen.add(edge[to]);
        next.push(edge[to]);
      }
    }
    for (const each of seen) kept.add(each);
  }
  return narrowed(lineage, kept);
}

/** Without what is tied to nothing. */
export const tied = (lineage: Lineage): Lineage =>
  narrowed(lineage, new Set(lineage.edges.flatMap(({ source, target }) => (source === target ? [] : [source, target]))));

/** The ties that are drawn: that a version was made of another goes without saying where a Dag between them shows it. */
export function drawn({ edges }: Lineage): Edge[] {
  const makers = new Map<string, Set<string>>();
  for (const { source, target, how } of edges) {
    if (how === "makes") makers.set(target, (makers.get(target) ?? new Set()).add(source));
  }
  const between = (source: string, target: string): boolean =>
    edges.some((edge) => edge.source === source && edge.how !== "made" && (makers.get(target)?.has(edge.target) ?? false));
  return edges.filter(({ source, target, how }) => source !== target && !(how === "made" && between(source, target)));
}

const narrowed = (lineage: Lineage, kept: ReadonlySet<string>): Lineage => ({
  ...lineage,
  nodes: lineage.nodes.filter(({ id }) => kept.has(id)),
  edges: lineage.edges.filter(({ source, target }) => kept.has(source) && kept.has(target)),
});

export type Placed = Node & { readonly column: number; readonly row: number };

export type Layout = { readonly nodes: readonly Placed[]; readonly columns: number; readonly rows: number };

const SWEEPS = 6;

/** Columns from left to right as data goes; within one, near to what it is tied to. Rows may be halves. */
export function layout({ nodes, edges }: Lineage): Layout {
  const ids = [...nodes].sort((one, other) => one.name.localeCompare(other.name)).map(({ id }) => id);
  const forward = acyclic(ids, edges);
  const column = columnsOf(ids, forward);
  const columns: string[][] = Array.from({ length: Math.max(0, ...column.values()) + (ids.length ? 1 : 0) }, () => []);
  for (const id of ids) columns[column.get(id) ?? 0]?.push(id);
  settle(columns, forward);
  const rows = Math.max(0, ...columns.map(({ length }) => length));
  const known = new Map(nodes.map((node) => [node.id, node]));
  const placed = columns.flatMap((inColumn, at) =>
    inColumn.flatMap((id, place) => {
      const node = known.get(id);
      return node ? [{ ...node, column: at, row: (rows - inColumn.length) / 2 + place }] : [];
    }),
  );
  return { nodes: placed, columns: columns.length, rows };
}

type Pair = readonly [string, string];

/** The ties without those that would lead back to where they came from. */
function acyclic(ids: readonly string[], edges: readonly Edge[]): Pair[] {
  const next = new Map(ids.map((id) => [id, edges.filter(({ source, target }) => source === id && target !== id).map(({ target }) => target)]));
  const state = new Map<string, "done" | "open">();
  const kept: Pair[] = [];
  for (const first of ids) {
    if (state.has(first)) continue;
    state.set(first, "open");
    const path: Array<{ id: string; left: string[] }> = [{ id: first, left: [...(next.get(first) ?? [])] }];
    for (let top = path.at(-1); top; top = path.at(-1)) {
      const to = top.left.pop();
      if (to === undefined) {
        state.set(top.id, "done");
        path.pop();
        continue;
      }
      if (state.get(to) === "open" || !next.has(to)) continue;
      kept.push([top.id, to]);
      if (state.has(to)) continue;
      state.set(to, "open");
      path.push({ id: to, left: [...(next.get(to) ?? [])] });
    }
  }
  return kept;
}

/** Right of all that it comes from; what comes from nowhere stands just left of what it goes to. */
function columnsOf(ids: readonly string[], pairs: readonly Pair[]): Map<string, number> {
  const column = new Map(ids.map((id) => [id, 0]));
  const at = (id: string): number => column.get(id) ?? 0;
  for (let changed = true; changed; ) {
    changed = false;
    for (const [from, to] of pairs) {
      if (at(to) > at(from)) continue;
      column.set(to, at(from) + 1);
      changed = true;
    }
  }
  for (const id of ids) {
    const goes = pairs.filter(([from]) => from === id).map(([, to]) => at(to));
    if (goes.length > 0 && !pairs.some(([, to]) => to === id)) column.set(id, Math.min(...goes) - 1);
  }
  return column;
}

/** Sort each column by the middle of what its nodes are tied to, to and fro, so that few lines cross. */
function settle(columns: string[][], pairs: readonly Pair[]): void {
  const place = new Map<string, number>();
  const note = (column: readonly string[]): void => column.forEach((id, at) => place.set(id, at - (column.length - 1) / 2));
  columns.forEach(note);
  const middle = (id: string, side: 0 | 1): number => {
    const others = pairs.filter((pair) => pair[1 - side] === id).map((pair) => place.get(pair[side]) ?? 0);
    return others.length === 0 ? (place.get(id) ?? 0) : others.reduce((sum, each) => sum + each, 0) / others.length;
  };
  for (let sweep = 0; sweep < SWEEPS; sweep += 1) {
    const side = sweep % 2 === 0 ? 0 : 1;
    for (const column of side === 0 ? columns : [...columns].reverse()) {
      const wanted = new Map(column.map((id) => [id, middle(id, side)]));
      column.sort((one, other) => (wanted.get(one) ?? 0) - (wanted.get(other) ?? 0));
      note(column);
    }
  }
}
