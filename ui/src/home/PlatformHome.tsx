import { Box, Button, chakra, Flex, Heading, HStack, Input, Link, Text, VisuallyHidden } from "@chakra-ui/react";
import { useMemo, useState, type ReactElement } from "react";

import { ApiError, base } from "../shared/api";
import { ago, count } from "../shared/format";
import { Empty, Failed, Loading } from "../shared/states";
import { useAsk } from "../shared/useAsk";
import { outside } from "../switcher/teams";
import { MOODS, type Mood, type PlatformHome as Home, type TeamHealth } from "./model";
import { Costs } from "./costs";
import { Waits } from "./panels";
import { Meter, moodWord, Sign } from "./parts";
import { chosen, figures, homeOf, tally } from "./telling";
import { Columns } from "./TeamHome";

const EVERY = 10_000;
const MANY = 60; // teams from which on the tiles are small
const TILE = "13rem";
/** Ten abreast as soon as there is room for their names, so that ten rows show a hundred teams; more where it is wider. */
const SMALL_TILE = "max(7rem, min(8.1rem, (100% - 3.5rem) / 10))";

/** How all teams are. */
export function PlatformHome(): ReactElement {
  const { data, error, again } = useAsk<Home>("/homes/platform", EVERY);
  if (data === undefined) {
    if (error instanceof ApiError && error.status === 404) return <NotHere />;
    return error ? <Failed again={again} error={error} /> : <Loading lines={10} />;
  }
  return (
    <Box data-testid="airspace-home" display="flex" flexDirection="column" gap={3} pb={6}>
      {error ? <Failed again={again} error={error} /> : null}
      <Shared home={data} />
      <Teams home={data} />
      <Columns>
        <Waits now={data.now} waits={data.waits} />
        <Costs slowest={data.slowest} wasteful={data.wasteful} />
      </Columns>
    </Box>
  );
}

function NotHere(): ReactElement {
  const within = outside(base()) !== base();
  return (
    <Empty title="This page is about all teams">
      {within ? (
        <>
          This is one team&apos;s view. Who administers, audits or supports the platform finds it{" "}
          <Link href={`${outside(base())}/plugin/platform`} textDecoration="underline">
            outside of it
          </Link>
          .
        </>
      ) : (
        "It is for those who administer, audit or support the platform. What is yours is on your team's page."
      )}
    </Empty>
  );
}

function Shared({ home }: { home: Home }): ReactElement {
  const { used, most } = home.places;
  return (
    <Flex align="center" columnGap={5} rowGap={1} wrap="wrap">
      <Heading as="h1" size="lg">
        {count(home.teams.length)} {home.teams.length === 1 ? "team" : "teams"}
      </Heading>
      {home.components.map((component) => (
        <HStack fontSize="sm" gap={1} key={component.name} title={component.heard === null ? "never heard of" : `last heard of ${ago(component.heard)}`}>
          <Sign mood={component.alive ? "well" : "failing"} />
          <Text>
            {component.name}
            {component.alive ? "" : " is silent"}
          </Text>
        </HStack>
      ))}
      <HStack fontSize="sm" gap={2}>
        <Text>
          {count(used)} of {count(most)} slots in use
        </Text>
        <Box width={24}>
          <Meter most={most} name="Slots of the platform in use" used={used} />
        </Box>
      </HStack>
      <Text color="fg.muted" fontSize="xs" ml="auto">
        the last 24 hours
        {home.missing.length ? `; took too long, and is left out: ${home.missing.join(", ")}` : ""}
      </Text>
    </Flex>
  );
}

function Teams({ home }: { home: Home }): ReactElement {
  const [moods, setMoods] = useState<ReadonlySet<Mood>>(new Set());
  const [text, setText] = useState("");
  const [told, setTold] = useState<TeamHealth>();
  const shown = useMemo(() => chosen(home.teams, moods, text), [home.teams, moods, text]);
  const counts = useMemo(() => tally(home.teams), [home.teams]);
  const turn = (mood: Mood): void => {
    const next = new Set(moods);
    if (!next.delete(mood)) next.add(mood);
    setMoods(next);
  };
  if (home.teams.length === 0) {
    return (
      <Empty title="No teams yet">
        <chakra.code>airspace team add NAME</chakra.code> makes the first one.
      </Empty>
    );
  }
  return (
    <Box as="section">
      <Flex align="center" gap={1} mb={2} wrap="wrap">
        <Input aria-label="Filter teams by name" onChange={(event) => setText(event.target.value)} placeholder="Filter teams" size="xs" type="search" value={text} width={40} />
        {MOODS.filter((mood) => counts.has(mood)).map((mood) => (
          <Button aria-pressed={moods.has(mood)} key={mood} onClick={() => turn(mood)} px={2} size="xs" variant={moods.has(mood) ? "solid" : "outline"}>
            <Sign mood={mood} size={3} />
            {count(counts.get(mood) ?? 0)} {moodWord(mood)}
          </Button>
        ))}
      </Flex>
      <Grid many={home.teams.length > MANY} setTold={setTold} teams={shown} />
      <Text aria-live="polite" color="fg.muted" fontSize="xs" minHeight={5} mt={1} truncate>
        {told === undefined ? `${count(shown.length)} shown. Point at a team, or go to it by keyboard, to be told more.` : sentence(told)}
      </Text>
    </Box>
  );
}

const sentence = (team: TeamHealth): string =>
  `${team.title} (${team.name}): ${team.words}. ${count(team.runs)} runs, ${count(team.failed_runs)} failed; ${count(team.dags)} Dags; ${count(team.running)} of ${count(team.slots)} slots in use.`;

type GridProps = {
  readonly teams: readonly TeamHealth[];
  readonly many: boolean;
  readonly setTold: (team: TeamHealth) => void;
};

function Grid({ teams, many, setTold }: GridProps): ReactElement {
  return (
    <chakra.ul display="grid" gap={1.5} gridTemplateColumns={`repeat(auto-fill, minmax(min(100%, ${many ? SMALL_TILE : TILE}), 1fr))`} listStyleType="none">
      {teams.map((team) => (
        <li key={team.name}>
          <chakra.a
            _focusVisible={{ outline: "2px solid", outlineColor: "border.info" }}
            _hover={{ bg: "bg.muted" }}
            bg="bg.panel"
            borderRadius="sm"
            borderWidth={1}
            display="block"
            href={homeOf(base(), team.name)}
            minWidth={0}
            onFocus={() => setTold(team)}
            onMouseEnter={() => setTold(team)}
            px={2}
            py={many ? 1 : 2}
          >
            <HStack gap={1.5}>
              <Sign mood={team.moods[0] ?? "well"} size={many ? 3.5 : 4} />
              <Text fontSize={many ? "xs" : "sm"} fontWeight="semibold" truncate>
                {team.title}
              </Text>
            </HStack>
            <VisuallyHidden>{`: ${team.moods.map(moodWord).join(", ")}; `}</VisuallyHidden>
            <Text color="fg.muted" fontSize="xs" truncate>
              {figures(team)}
            </Text>
          </chakra.a>
        </li>
      ))}
    </chakra.ul>
  );
}
