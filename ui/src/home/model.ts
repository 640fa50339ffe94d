/** What the homes' answers hold: the same as `airspace.airflow.web.pages.home_models`. */

import type { Lineage } from "../lineage/graph";

export type Place = { readonly name: string; readonly used: number; readonly most: number };

export type Where = {
  readonly team: string | null;
  readonly dag_id: string;
  readonly run_id: string | null;
  readonly task_id: string | null;
  readonly map_index: number;
};

export type HourOfRuns = { readonly hour: string; readonly state: string; readonly count: number };

export type Ran = Where & { readonly state: string; readonly began: string | null; readonly ended: string | null };

export type Failure = Where & {
  readonly try_number: number;
  readonly ended: string | null;
  readonly again: boolean;
  readonly times: number;
  readonly readable: boolean;
  readonly error: string | null;
  readonly place: string | null;
  readonly lines: readonly string[];
};

export type Late = Where & {
  readonly how: "deadline" | "overdue" | "overruns";
  readonly since: string;
  readonly usual: number | null;
  readonly detail: string | null;
};

export type Wait = Where & {
  readonly state: string;
  readonly since: string | null;
  readonly whom: string;
  readonly words: string;
  readonly until: string | null;
  readonly times: number;
};

export type Cost = Where & {
  readonly tries: number;
  readonly failed: number;
  readonly total: number;
  readonly median: number;
  readonly p95: number;
  readonly share: number;
  /** Slots that a try asks for. */
  readonly slots: number;
  /** Seconds on processors, processors kept busy, bytes at the peak; null where nothing was measured. */
  readonly cpu: number | null;
  readonly busy: number | null;
  readonly peak: number | null;
};

export type Memory = {
  readonly limit: number | null;
  readonly peak: number | null;
  readonly largest: Where | null;
  readonly advice: string;
};

export type Waste = Where & { readonly seconds: number; readonly words: string; readonly advice: string };

export type FileError = { readonly file: string; readonly at: string | null; readonly words: string };

export type Source = {
  readonly kind: string;
  readonly place: string;
  readonly version: string | null;
  readonly fetched: string | null;
  readonly problem: string | null;
  readonly left_out: number;
};

export type Update = {
  readonly at: string;
  readonly rows: number | null;
  readonly version: string | null;
  readonly dag_id: string | null;
  readonly task_id: string | null;
  readonly run_id: string | null;
};

export type Asset = {
  readonly id: number;
  readonly name: string;
  readonly own: boolean;
  readonly owner: string | null;
  readonly consumers: readonly string[];
  readonly makers: readonly string[];
  readonly users: readonly string[];
  readonly last: Update | null;
  readonly expected: string | null;
};

export type TeamHome = {
  readonly name: string;
  readonly title: string;
  readonly now: string;
  readonly since: string;
  readonly hold: string | null;
  readonly hold_reason: string;
  readonly slots: Place;
  readonly pools: readonly Place[];
  readonly dags: { readonly total: number; readonly paused: number };
  readonly hours: readonly HourOfRuns[];
  readonly ran: readonly Ran[];
  readonly failures: { readonly total: number; readonly more: boolean; readonly tasks: readonly Failure[] };
  readonly late: readonly Late[];
  readonly waits: { readonly total: number; readonly longest: readonly Wait[] };
  readonly slowest: readonly Cost[];
  readonly wasteful: readonly Waste[];
  readonly memory: Memory;
  readonly files: { readonly total: number; readonly newest: readonly FileError[] };
  readonly source: Source | null;
  readonly assets: readonly Asset[];
  readonly lineage: Lineage;
  readonly missing: readonly string[];
};

export const MOODS = [
  "leaving",
  "suspended",
  "broken",
  "failing",
  "late",
  "waiting",
  "quiet",
  "empty",
  "well",
] as const;

export type Mood = (typeof MOODS)[number];

export type TeamHealth = {
  readonly name: string;
  readonly title: string;
  readonly moods: readonly Mood[];
  readonly words: string;
  readonly slots: number;
  readonly dags: number;
  readonly runs: number;
  readonly failed_runs: number;
  readonly failing: number;
  readonly running: number;
  readonly waiting: number;
  readonly late: number;
  readonly import_errors: number;
};

export type TeamHealths = { readonly teams: readonly TeamHealth[]; readonly missing: readonly string[] };

export type PlatformHome = TeamHealths & {
  readonly now: string;
  readonly since: string;
  readonly components: ReadonlyArray<{
    readonly name: string;
    readonly alive: boolean;
    readonly heard: string | null;
  }>;
  readonly places: Place;
  readonly waits: readonly Wait[];
  readonly slowest: readonly Cost[];
  readonly wasteful: readonly Waste[];
};
