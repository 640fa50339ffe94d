/** Which teams the switcher shows, and where it leads. Pure. */
import type { Me, Team } from "../shared/me";

/** How many of the teams that were looked at last are remembered. */
const RECENT = 8;
/** How many lines are drawn at once; who has more types a letter. */
export const MOST = 400;
/** How many teams stand in the bar itself. */
const BESIDE = 2;
/** Who is in no more teams than this finds them in the bar before they have looked at any. */
const FEW = 3;
/** In an address, stands for all of the reader's teams. */
const ALL = "~";

/** The pages of Airflow and of ours that every team has. All others are about one thing of one team. */
const COMMON: ReadonlySet<string> = new Set([
  "/assets",
  "/connections",
  "/dag_runs",
  "/dags",
  "/deadlines",
  "/events",
  "/plugin/artifacts",
  "/plugin/team",
  "/pools",
  "/required_actions",
  "/task_instances",
  "/variables",
  "/xcoms",
]);

/** One line of the switcher. */
export type Choice = {
  /** Unique among the lines. */
  readonly id: string;
  readonly title: string;
  /** What stands behind the title: the team's name where it is another word. */
  readonly note: string;
  readonly role: string;
  /** Under which heading. */
  readonly group: "" | "Recent" | "Teams";
  /** Whether this is what the page shows. */
  readonly current: boolean;
  /** Where it leads. */
  readonly href: string;
};

/** What an address begins with in no view at all: "/t/sales" → "", "/airflow/t/~" → "/airflow". */
export const outside = (base: string): string => base.replace(/\/t\/[^/]*$/u, "");

/** The address of a view. */
export const below = (base: string, team: string | null): string => `${outside(base)}/t/${team ?? ALL}`;

/** The page of another view that stands for this one: the same list there, or that view's first page. */
export function samePlace(path: string): string {
  if (COMMON.has(path)) return path;
  return path.startsWith("/assets/") ? "/assets" : "/";
}

/** The Dag or the asset that a page is about, as its address says it: "dags/churn", "assets/7"; null: a list. */
export function thingIn(path: string): string | null {
  const [, kind, name] = /^\/(dags|assets)\/([^/]+)/u.exec(path) ?? [];
  return kind === undefined || name === undefined ? null : `${kind}/${name}`;
}

/** The remembered teams after one more was looked at. */
export const remembered = (before: readonly string[], team: string): string[] =>
  [team, ...before.filter((name) => name !== team)].slice(0, RECENT);

/** What the browser has stored, which anybody may have written. */
export function stored(text: string | null): string[] {
  try {
    const value: unknown = JSON.parse(text ?? "[]");
    return Array.isArray(value) ? value.filter((name) => typeof name === "string").slice(0, RECENT) : [];
  } catch {
    return [];
  }
}

/** Whether there is anything to choose from. */
export const hasChoice = (me: Me): boolean => me.teams.length > 1 || me.platform_role !== null;

/**
 * The lines to show: everything first, then the teams looked at last, then the others by title. While somebody types,
 * only what they type, the best first.
 *
 * @param at where the page is: its base address, and its path below that
 */
export function choices(me: Me, typed: string, recent: readonly string[], at: { base: string; path: string }): Choice[] {
  const place = samePlace(at.path);
  const line = (team: Team, group: Choice["group"]): Choice => ({
    current: team.name === me.view,
    group,
    href: below(at.base, team.name) + place,
    id: team.name,
    note: plain(team.title) === plain(team.name) ? "" : team.name,
    role: team.role,
    title: team.title,
  });
  const words = plain(typed);
  if (words !== "") {
    const found = me.teams.flatMap((team) => {
      const rank = Math.min(rankOf(plain(team.title), words), rankOf(plain(team.name), words));
      return rank === Infinity ? [] : [{ rank: rank + (recent.includes(team.name) ? 0 : 0.5), team }];
    });
    found.sort((one, other) => one.rank - other.rank || byTitle(one.team, other.team));
    return found.map(({ team }) => line(team, ""));
  }
  const last = recent.flatMap((name) => me.teams.filter((team) => team.name === name));
  const others = me.teams.filter((team) => !last.includes(team)).sort(byTitle);
  const grouped = last.length > 0 && others.length > 0;
  return [
    ...everything(me, at.base, place),
    ...last.map((team) => line(team, grouped ? "Recent" : "Teams")),
    ...others.map((team) => line(team, "Teams")),
  ];
}

/** The teams that are one click away: those looked at last, but for the one that is shown. */
export function beside(me: Me, recent: readonly string[], at: { base: string; path: string }): Choice[] {
  if (!hasChoice(me)) return []; // the bar names the only one already
  const others = choices(me, "", recent, at).filter(({ current, group }) => !current && group !== "");
  const near = me.teams.length > FEW ? others.filter(({ id }) => recent.includes(id)) : others;
  return near.slice(0, BESIDE);
}

function everything(me: Me, base: string, place: string): Choice[] {
  const shared = { group: "", note: "", role: "" } as const;
  const platform = { ...shared, current: false, href: `${below(base, null)}/plugin/platform`, id: "~platform" };
  const all = { ...shared, current: me.view === null, href: below(base, null) + place, id: ALL };
  return [
    ...(me.homes.includes("platform") ? [{ ...platform, title: "Platform: every team at a glance" }] : []),
    { ...all, title: me.platform_role === null ? "All my teams" : "All teams" },
  ];
}

/** Lower is better: it begins so, a word of it begins so, it is somewhere in it. */
function rankOf(text: string, words: string): number {
  const at = text.indexOf(words);
  if (at === 0) return 0;
  if (at < 0) return Infinity;
  return text.includes(` ${words}`) ? 1 : 2;
}

/** As somebody types it: no capitals, no accents, spaces between words. */
const plain = (text: string): string =>
  text
    .normalize("NFD")
    .replace(/\p{Mn}/gu, "")
    .replace(/[\s_-]+/gu, " ")
    .trim()
    .toLowerCase();

const byTitle = (one: Team, other: Team): number => (one.title < other.title ? -1 : one.title > other.title ? 1 : 0);
