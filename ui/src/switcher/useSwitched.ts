import { useEffect, useState } from "react";
import { useLocation } from "react-router-dom";

import { ask, base } from "../shared/api";
import type { Me } from "../shared/me";
import { below, thingIn } from "./teams";

/** The server's cookie, and ours: the next page says that it was switched to. */
const SWITCHED = "airspace_switched";
/** Seconds in which the next page may come, over a slow line. */
const A_MOMENT = 120;

/**
 * Keeps the page of a Dag or an asset in the view of a team that sees it: a link inside the page that leads to what only
 * another of the reader's teams sees goes on to that team's view. Whole pages have been led there by the server.
 *
 * @returns what this page was switched for, and the title of the team; null once another thing is shown
 */
export function useSwitched(me: Me): string | null {
  const { pathname } = useLocation();
  const thing = thingIn(pathname);
  const [told] = useState(() => {
    const team = me.teams.find(({ name }) => name === me.view && name === arrival());
    if (shown === undefined) shown = team === undefined ? null : { thing, title: team.title };
    return shown;
  });

  useEffect(() => {
    const begins = settled === undefined;
    if (settled === thing) return;
    settled = thing;
    if (begins || thing === null || me.view === null || me.teams.length < 2) return;
    ask<{ team: string }>(`/where/${thing}`).then(
      ({ team }) => {
        if (team === me.view || settled !== thing) return;
        document.cookie = cookie(team, A_MOMENT);
        const { pathname: whole, search, hash } = globalThis.location;
        globalThis.location.replace(`${below(base(), team)}${whole.slice(base().length)}${search}${hash}`);
      },
      () => undefined, // nobody's, or somebody else's: the page itself says that there is no such thing
    );
  }, [thing, me]);

  return told !== null && told.thing === thing ? words(told) : null;
}

type Told = { readonly thing: string | null; readonly title: string };

/** An asset may be theirs, or another team's who shares it with them. */
function words({ thing, title }: Told): string {
  if (thing?.startsWith("dags/")) return `Switched to ${title}: this Dag is theirs.`;
  return thing === null ? `Switched to ${title}.` : `Switched to ${title}: they see this asset.`;
}

/** The thing that was looked after last; undefined until the first page is there. Airflow draws the bar anew at will. */
let settled: string | null | undefined;

/** What this page says of how it was reached; a page says it once, though Airflow draws the bar anew now and then. */
let shown: Told | null | undefined;

/** The team that this page was switched to. The cookie has said what it had to say, and goes. */
function arrival(): string | null {
  const found = document.cookie.split("; ").find((each) => each.startsWith(`${SWITCHED}=`));
  if (found === undefined) return null;
  document.cookie = cookie("", 0);
  return found.slice(SWITCHED.length + 1);
}

const cookie = (team: string, seconds: number): string =>
  `${SWITCHED}=${team}; path=${base().replace(/\/(?:t|as)\/.*$/u, "")}/; max-age=${seconds}; samesite=lax`;
