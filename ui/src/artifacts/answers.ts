/** What the platform answers; see `airspace.airflow.web.pages.artifacts` and `airspace.storage.viewing.answers`. */

export type Update = {
  readonly at: string;
  readonly version: string | null;
  readonly rows: number | null;
  readonly bytes: number | null;
  readonly dag_id: string | null;
  readonly run_id: string | null;
  readonly task_id: string | null;
  readonly map_index: number | null;
};

export type Asset = {
  readonly name: string;
  readonly owner: string;
  readonly consumers: readonly string[];
  readonly tables: readonly string[];
  readonly updates: readonly Update[];
};

export type Shelf = { readonly team: string; readonly own: readonly Asset[]; readonly consumed: readonly Asset[] };

export type Entry = {
  readonly name: string;
  readonly kind: "file" | "folder" | "gone" | "link" | "other";
  readonly bytes: number;
  /** Seconds since 1970. */
  readonly modified: number;
};

export type Folder = { readonly entries: readonly Entry[]; readonly next: string | null; readonly complete: boolean };

export type Column = { readonly name: string; readonly type: string };

export type Grid = {
  readonly columns: readonly Column[];
  readonly rows: ReadonlyArray<ReadonlyArray<string | null>>;
  readonly columns_left_out: number;
  readonly total_rows: number | null;
  readonly more: boolean;
  readonly note: string;
};

export type Preview = Grid & {
  readonly kind: "image" | "none" | "page" | "table" | "text";
  readonly bytes: number;
  readonly modified: number;
  readonly text: string;
};

export type TableKind = "foreign table" | "materialized view" | "partitioned table" | "table" | "view";

/** A table of the warehouse; no kind: it could not be looked at. */
export type TableShown = Grid & { readonly kind: TableKind | null; readonly about_rows: number | null };

export type Tables = {
  readonly tables: ReadonlyArray<{ readonly name: string; readonly kind: TableKind; readonly about_rows: number | null }>;
  readonly more: boolean;
  readonly note: string;
};

export type Version = {
  readonly version: string;
  readonly created: string;
  readonly rows: number | null;
  readonly bytes: number;
  readonly files: ReadonlyArray<{ readonly path: string; readonly bytes: number }>;
  readonly files_left_out: number;
  readonly columns: readonly Column[];
  readonly inputs: readonly string[];
};

export type Versions = { readonly current: string | null; readonly versions: readonly Version[] };
