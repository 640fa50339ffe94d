import { Badge, Box, Button, Code, Flex, Heading, SimpleGrid, Text } from "@chakra-ui/react";
import { useEffect, useState, type ReactElement, type ReactNode } from "react";

import { base } from "../shared/api";
import { count } from "../shared/format";
import { me as askMe, type Me } from "../shared/me";
import { Empty, Failed, Loading } from "../shared/states";
import { useAsk } from "../shared/useAsk";
import { Costs } from "./costs";
import type { TeamHealths, TeamHome as Home } from "./model";
import { Assets, Failures, Files, LateOnes, Runs, Ties, Waits } from "./panels";
import { Figure, Meter, moodWord, Sign, Sparkline } from "./parts";
import { firstPlace, homeOf, runCounts } from "./telling";

const EVERY = 15_000;

/** What goes on in a team: in its own view; elsewhere a choice of the reader's teams, each with how it is. */
export function TeamHome(): ReactElement {
  const [me, setMe] = useState<Me>();
  const [error, setError] = useState<Error>();
  useEffect(() => {
    askMe().then(setMe, setError);
  }, []);
  if (error) return <Failed error={error} />;
  if (me === undefined) return <Loading />;
  const only = me.teams.length === 1 ? me.teams[0]?.name : undefined;
  const team = me.view ?? only;
  if (team !== undefined) return <OneTeam team={team} />;
  if (me.teams.length === 0) return <Empty title="You are in no team yet">{me.contact ?? "There is no team here yet."}</Empty>;
  return <Choice />;
}

function OneTeam({ team }: { team: string }): ReactElement {
  const { data, error, again } = useAsk<Home>(`/homes/teams/${encodeURIComponent(team)}`, EVERY);
  if (data === undefined) return error ? <Failed again={again} error={error} /> : <Loading lines={10} />;
  return (
    <Box data-testid="airspace-home" display="flex" flexDirection="column" gap={3} pb={6}>
      <Head home={data} />
      {error ? <Failed again={again} error={error} /> : null}
      {data.dags.total === 0 ? <FirstStep home={data} /> : null}
      <Figures home={data} />
      <Columns>
        <Failures failures={data.failures} />
        <Runs now={data.now} ran={data.ran} />
        <Waits now={data.now} total={data.waits.total} waits={data.waits.longest} />
        <LateOnes assets={data.assets} late={data.late} now={data.now} />
        <Costs memory={data.memory} slowest={data.slowest} wasteful={data.wasteful} />
        <Assets assets={data.assets} name={data.title} />
        <Files files={data.files} source={data.source} />
      </Columns>
      {data.missing.includes("assets") ? null : <Ties lineage={data.lineage} />}
    </Box>
  );
}

/** As many columns as there is room for, each filled from above. */
export const Columns = ({ children }: { children: ReactNode }): ReactElement => (
  <Box css={{ columnGap: "0.75rem", columnWidth: "30rem", "& > *": { breakInside: "avoid", marginBottom: "0.75rem" } }}>{children}</Box>
);

function Head({ home }: { home: Home }): ReactElement {
  return (
    <Flex align="baseline" gap={3} wrap="wrap">
      <Heading as="h1" size="lg">
        {home.title}
      </Heading>
      {home.hold === null ? null : (
        <Badge colorPalette="orange" size="md">
          {home.hold}
          {home.hold_reason ? `: ${home.hold_reason}` : ""}
        </Badge>
      )}
      <Text color="fg.muted" fontSize="xs" ml="auto">
        the last 24 hours
        {home.missing.length ? `; took too long, and is left out: ${home.missing.join(", ")}` : ""}
      </Text>
    </Flex>
  );
}

function Figures({ home }: { home: Home }): ReactElement {
  const runs = runCounts(home.hours);
  const all = runs.success + runs.failed + runs.running + runs.queued;
  const late = home.late.length + home.assets.filter((asset) => asset.expected !== null).length;
  const { used, most } = home.slots;
  return (
    <SimpleGrid columns={{ base: 2, md: 3, xl: 6 }} gap={3}>
      <Figure name="Runs" under={<Sparkline hours={home.hours} now={home.now} />} value={count(all)} />
      <Figure
        bad={runs.failed > 0}
        name="Failed"
        under={`${count(home.failures.total)}${home.failures.more ? " or more" : ""} failed tasks`}
        value={`${count(runs.failed)} ${runs.failed === 1 ? "run" : "runs"}`}
      />
      <Figure name="Late" under={late === 0 ? "all as usual" : "runs, schedules, assets"} value={count(late)} />
      <Figure name="Waiting" under={`${count(runs.queued)} runs not begun`} value={`${count(home.waits.total)} ${home.waits.total === 1 ? "task" : "tasks"}`} />
      <Figure
        name="Slots in use"
        under={<Meter most={most} name="Slots in use" used={used} />}
        value={`${count(used)} of ${count(most)}`}
      />
      <Figure
        bad={home.files.total > 0}
        name="Dags"
        under={home.files.total ? `${count(home.files.total)} files with errors` : `${count(home.dags.paused)} paused`}
        value={count(home.dags.total)}
      />
    </SimpleGrid>
  );
}

function FirstStep({ home }: { home: Home }): ReactElement {
  const { into, place, soon } = firstPlace(home.source);
  return (
    <Empty title="No Dags yet">
      Put a Python file with a Dag into {into}
      {place === null ? "" : <> (<Code>{place}</Code>)</>}. It appears here {soon}; what is wrong with it, too.
    </Empty>
  );
}

function Choice(): ReactElement {
  const { data, error, again } = useAsk<TeamHealths>("/homes/teams", EVERY);
  if (data === undefined) return error ? <Failed again={again} error={error} /> : <Loading />;
  return (
    <Box data-testid="airspace-home">
      <Heading as="h1" mb={3} size="lg">
        Your teams
      </Heading>
      <SimpleGrid columns={{ base: 1, md: 2, xl: 3 }} gap={3}>
        {data.teams.map((team) => (
          <Button asChild height="auto" justifyContent="start" key={team.name} px={4} py={3} variant="outline" whiteSpace="normal">
            <a href={homeOf(base(), team.name)}>
              <Sign mood={team.moods[0] ?? "well"} size={5} />
              <Box minWidth={0} textAlign="start">
                <Text fontWeight="semibold">{team.title}</Text>
                <Text color="fg.muted" fontSize="sm" fontWeight="normal">
                  {team.moods.map(moodWord).join(", ")}: {team.words}
                </Text>
              </Box>
            </a>
          </Button>
        ))}
      </SimpleGrid>
    </Box>
  );
}
