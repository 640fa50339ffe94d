/** What the pages say and where they lead: pure. */
import { below } from "../switcher/teams";
import type { Late, Mood, Ran, TeamHealth, TeamHome, Where } from "./model";

export const RUN_STATES = ["success", "failed", "running", "queued"] as const;

export type RunState = (typeof RUN_STATES)[number];

export type Hour = Readonly<Record<RunState, number>> & { readonly start: number };

const HOUR = 3_600_000;
const HOURS = 24;

/** One entry for each of the last 24 hours, also for those in which nothing ran. */
export function lastHours(hours: TeamHome["hours"], now: string): Hour[] {
  const end = Math.floor(Date.parse(now) / HOUR);
  const found = Array.from({ length: HOURS }, (_, place) => ({
    start: (end - HOURS + 1 + place) * HOUR,
    success: 0,
    failed: 0,
    running: 0,
    queued: 0,
  }));
  for (const { hour, state, count } of hours) {
    // The window begins within an hour: what ran there belongs to the first one that is shown.
    const place = Math.max(0, Math.floor(Date.parse(hour) / HOUR) - end + HOURS - 1);
    const entry = found[place];
    if (entry && isRunState(state)) entry[state] += count;
  }
  return found;
}

const isRunState = (state: string): state is RunState => (RUN_STATES as readonly string[]).includes(state);

/** How many runs are in each state. */
export function runCounts(hours: TeamHome["hours"]): Record<RunState, number> {
  const found = { success: 0, failed: 0, running: 0, queued: 0 };
  for (const { state, count } of hours) if (isRunState(state)) found[state] += count;
  return found;
}

/** Seconds that a run took, or has taken until now. */
export const took = ({ began, ended }: Pick<Ran, "began" | "ended">, now: string): number =>
  began === null ? 0 : Math.max(0, (Date.parse(ended ?? now) - Date.parse(began)) / 1000);

/** Airflow's own page of a Dag, a run, a task or a task instance. */
export function pageOf({ dag_id: dag, run_id: run, task_id: task, map_index: index }: Where): string {
  const path = `/dags/${encodeURIComponent(dag)}`;
  if (run === null) return task === null ? path : `${path}/tasks/${encodeURIComponent(task)}`;
  const ofRun = `${path}/runs/${encodeURIComponent(run)}`;
  if (task === null) return ofRun;
  const ofTask = `${ofRun}/tasks/${encodeURIComponent(task)}`;
  return index < 0 ? ofTask : `${ofTask}/mapped/${index}`;
}

/** What a task or a Dag is called in a list. */
export const nameOf = ({ dag_id: dag, task_id: task, map_index: index }: Where): string =>
  task === null ? dag : `${dag}.${task}${index < 0 ? "" : `[${index}]`}`;

/** Where one does something about what waits; null: its own page is the place. */
export function placeToAct(whom: string): string | null {
  if (whom === "person") return "/required_actions";
  return whom === "slots" || whom === "pool" ? "/pools" : null;
}

const REMOTE: Readonly<Record<string, string>> = { git: "the team's git repository", object_store: "the team's object store" };

type First = { readonly into: string; readonly place: string | null; readonly soon: string };

/** Where a team's first Dag goes, as far as members may know, and when it is seen. */
export function firstPlace(source: TeamHome["source"]): First {
  const place = source === null || source.place === "all of it" ? null : source.place;
  if (source?.kind === "folder") return { into: "the team's folder on the platform's machine", place, soon: "within seconds" };
  return { into: REMOTE[source?.kind ?? ""] ?? "the team's source", place, soon: "once it was looked at again, usually within a minute" };
}

/** How busy a task keeps processors: a part of one, or so many. */
export const busyWords = (busy: number): string =>
  busy < 0.01 ? "< 1 %" : busy < 1.5 ? `${Math.round(busy * 100)} %` : `${busy.toFixed(1)} processors`;

export const LATE: Readonly<Record<Late["how"], string>> = {
  overruns: "runs longer than usual",
  deadline: "missed a deadline",
  overdue: "should have begun",
};

/** A team's tile has room for two figures: the worst ones. */
export function figures(team: TeamHealth): string {
  const all: Array<[number, string]> = [
    [team.import_errors, team.import_errors === 1 ? "file error" : "file errors"],
    [team.failing, team.failing === 1 ? "Dag fails" : "Dags fail"],
    [team.late, "late"],
    [team.moods.includes("waiting") ? team.waiting : 0, "wait"],
    [team.running, team.running === 1 ? "runs now" : "run now"],
    [team.runs, team.runs === 1 ? "run" : "runs"],
  ];
  const said = all.filter(([number]) => number > 0).slice(0, 2);
  if (said.length > 0) return said.map(([number, word]) => `${number} ${word}`).join(" · ");
  return team.dags === 0 ? "no Dags" : "nothing ran";
}

/** The teams of which one of these moods holds (none chosen: all), and whose title or name has the text in it. */
export function chosen(teams: readonly TeamHealth[], moods: ReadonlySet<Mood>, text: string): TeamHealth[] {
  const wanted = text.trim().toLowerCase();
  return teams.filter(
    (team) =>
      (moods.size === 0 || team.moods.some((mood) => moods.has(mood))) &&
      (wanted === "" || team.title.toLowerCase().includes(wanted) || team.name.includes(wanted)),
  );
}

/** How many teams each mood holds of. */
export function tally(teams: readonly TeamHealth[]): Map<Mood, number> {
  const found = new Map<Mood, number>();
  for (const mood of teams.flatMap((team) => team.moods)) found.set(mood, (found.get(mood) ?? 0) + 1);
  return found;
}

/** A team's home in its own view, from wherever the page is. */
export const homeOf = (base: string, team: string): string => `${below(base, team)}/plugin/team`;
