/** Places in a team's storage, as addresses name them: pure. See `airspace.storage.viewing.places`. */

/**
 * `files/…` is the team's own; `published/<team>/<asset>/<version>/…` is what somebody published; `tables/<team>/<name>`
 * is a table of the warehouse.
 */
export type Place =
  | { readonly kind: "nothing" }
  | { readonly kind: "table"; readonly owner: string; readonly name: string }
  | { readonly kind: "asset"; readonly owner: string; readonly asset: string }
  | { readonly kind: "file"; readonly name: string };

/** What an address leads to. */
export function placeOf(at: string | null): Place {
  const parts = (at ?? "").split("/");
  const [root, owner, asset] = parts;
  if (root === "published" && owner && asset) {
    return parts.length === 3 ? { kind: "asset", owner, asset } : { kind: "file", name: parts.at(-1) ?? "" };
  }
  if (root === "tables" && owner && asset) return { kind: "table", owner, name: parts.slice(2).join("/") };
  return root === "files" && parts.length > 1 ? { kind: "file", name: parts.at(-1) ?? "" } : { kind: "nothing" };
}

/** A name as it can be shown: what would break the line, or turn the text around it, is spelled out. */
export const shown = (name: string): string =>
  name.replace(
    /[\p{Cc}\p{Cf}\u2028\u2029]/gu,
    (char) => `\\u{${(char.codePointAt(0) ?? 0).toString(16)}}`,
  );

/** Every folder above a place: what a tree has to unfold to show it. */
export function above(at: string | null): string[] {
  const parts = (at ?? "").split("/");
  return parts.slice(1).map((_, number) => parts.slice(0, number + 1).join("/"));
}

/** Where a question about a place is put. */
export const asked = (team: string, what: string, at: string, after?: string): string => {
  const query = new URLSearchParams({ at, ...(after === undefined ? {} : { after }) });
  return `/artifacts/${encodeURIComponent(team)}/${what}?${query.toString()}`;
};

/** The task that made a version, in Airflow's own pages. */
export function taskAddress(dag: string, run: string | null, task: string | null, map: number | null): string {
  const parts = ["dags", dag, ...(run === null ? [] : ["runs", run]), ...(run === null || task === null ? [] : ["tasks", task])];
  const path = `/${parts.map(encodeURIComponent).join("/")}`;
  return run !== null && task !== null && map !== null && map >= 0 ? `${path}/mapped/${map}` : path;
}

/** The address of this page that leads to a place. */
export const search = (team: string, at?: string): string =>
  `?${new URLSearchParams({ team, ...(at === undefined ? {} : { at }) }).toString()}`;
