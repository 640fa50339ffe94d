/** Files and tables that tasks made: what is published and shared on the left, what it looks like on the right. */
import { Box, Button, Code, Grid, Heading, HStack, List, NativeSelect, Stack, Text } from "@chakra-ui/react";
import { useEffect, useState, type ReactElement, type ReactNode } from "react";
import { Link, useNavigate, useSearchParams } from "react-router-dom";

import { ago, count } from "../shared/format";
import { me, type Me } from "../shared/me";
import { Empty, Failed, Loading } from "../shared/states";
import { useAsk } from "../shared/useAsk";
import type { Asset, Shelf } from "./answers";
import { AssetView } from "./AssetView";
import { FileView } from "./FileView";
import { OwnTables } from "./OwnTables";
import { placeOf, search, shown } from "./places";
import { TableView } from "./TableView";
import { Tree } from "./Tree";

const HOW = `# the team's file
assets:
  daily_sales: {consumers: [finance]}

# a task
with publish("daily_sales") as out:
    table.write_parquet(out.path / "sales.parquet")
    out.describe(rows=table.height, schema=table.schema)`;

/** The page. Its address names the team and the place, so that it can be sent to somebody. */
export function Artifacts(): ReactElement {
  const [who, setWho] = useState<Me>();
  const [error, setError] = useState<Error>();
  const [query] = useSearchParams();
  useEffect(() => {
    me()
      .then(setWho)
      .catch((problem: unknown) => setError(problem instanceof Error ? problem : new Error(String(problem))));
  }, []);
  if (error) return <Failed error={error} />;
  if (!who) return <Loading what="Loading artifacts" />;
  const [only] = who.teams;
  if (!only) return <Empty title="You are in no team yet">Artifacts are files and tables that a team's tasks make.</Empty>;
  const team = query.get("team") ?? who.view ?? only.name;
  return (
    <Stack aria-label="Artifacts" as="section" gap={4} p={{ base: 2, md: 4 }}>
      <HStack flexWrap="wrap" justifyContent="space-between">
        <Heading as="h1" size="lg">
          Artifacts
        </Heading>
        {who.view === null && who.teams.length > 1 ? <Chooser team={team} who={who} /> : null}
      </HStack>
      <OfTeam at={query.get("at")} key={team} team={team} />
    </Stack>
  );
}

function Chooser({ team, who }: { team: string; who: Me }): ReactElement {
  const go = useNavigate();
  return (
    <NativeSelect.Root maxW="20rem" size="sm">
      <NativeSelect.Field
        aria-label="Team"
        onChange={(event) => {
          void go(search(event.currentTarget.value));
        }}
        value={team}
      >
        {who.teams.map(({ name, title }) => (
          <option key={name} value={name}>
            {title}
          </option>
        ))}
      </NativeSelect.Field>
      <NativeSelect.Indicator />
    </NativeSelect.Root>
  );
}

function OfTeam({ team, at }: { team: string; at: string | null }): ReactElement {
  const { data, error, again } = useAsk<Shelf>(`/artifacts/${encodeURIComponent(team)}`, 30_000);
  if (error && !data) return <Failed again={again} error={error} />;
  if (!data) return <Loading lines={8} what="Loading artifacts" />;
  const place = placeOf(at);
  const chosen = place.kind !== "nothing";
  return (
    <Grid alignItems="start" gap={6} templateColumns={{ base: "minmax(0, 1fr)", md: "minmax(16rem, 22rem) minmax(0, 1fr)" }}>
      <Stack as="nav" aria-label="Artifacts of the team" display={{ base: chosen ? "none" : "flex", md: "flex" }} gap={5}>
        <Section title="Published">
          {data.own.length > 0 ? <Assets assets={data.own} at={at} team={team} /> : <Text color="fg.muted">Nothing yet.</Text>}
        </Section>
        {data.consumed.length > 0 ? (
          <Section title="Shared with us">
            <Assets assets={data.consumed} at={at} team={team} />
          </Section>
        ) : null}
        <Section title="Files">
          <Tree at="files" selected={at} team={team} />
        </Section>
        <Section title="Warehouse">
          <OwnTables selected={at} team={team} />
        </Section>
      </Stack>
      <Box display={{ base: chosen ? "block" : "none", md: "block" }} minW={0}>
        {chosen ? (
          <Button asChild hideFrom="md" mb={3} size="sm" variant="outline">
            <Link to={search(team)}>All artifacts</Link>
          </Button>
        ) : null}
        <Chosen at={at} shelf={data} team={team} />
      </Box>
      {chosen ? null : (
        <Box hideFrom="md">
          <HowTo shelf={data} />
        </Box>
      )}
    </Grid>
  );
}

function Chosen({ team, at, shelf }: { team: string; at: string | null; shelf: Shelf }): ReactElement {
  const place = placeOf(at);
  if (place.kind === "nothing" || at === null) return <HowTo shelf={shelf} />;
  if (place.kind === "file") return <FileView at={at} key={at} name={place.name} team={team} />;
  if (place.kind === "table") return <TableView at={at} key={at} name={place.name} owner={place.owner} team={team} />;
  const asset = [...shelf.own, ...shelf.consumed].find(({ name, owner }) => name === place.asset && owner === place.owner);
  if (!asset) return <Empty title="There is no such artifact">{`${team} publishes no ${shown(place.asset)}, and none is shared with it.`}</Empty>;
  return <AssetView asset={asset} key={at} team={team} />;
}

function HowTo({ shelf }: { shelf: Shelf }): ReactElement {
  if (shelf.own.some(({ updates }) => updates.length > 0)) {
    return <Text color="fg.muted">Choose an artifact or a file to see what is in it.</Text>;
  }
  return (
    <Stack gap={2}>
      <Heading as="h2" size="md">
        Nothing is published yet
      </Heading>
      <Text>A task publishes a version of an asset; the team&apos;s file says who else may read it.</Text>
      <Code as="pre" display="block" overflowX="auto" p={3} whiteSpace="pre">
        {HOW}
      </Code>
    </Stack>
  );
}

function Section({ title, children }: { title: string; children: ReactNode }): ReactElement {
  return (
    <Stack as="section" gap={1}>
      <Heading as="h2" size="sm">
        {title}
      </Heading>
      {children}
    </Stack>
  );
}

function Assets({ team, assets, at }: { team: string; assets: readonly Asset[]; at: string | null }): ReactElement {
  return (
    <List.Root gap={0.5} listStyleType="none">
      {assets.map((asset) => {
        const place = `published/${asset.owner}/${asset.name}`;
        const here = at === place || (at ?? "").startsWith(`${place}/`);
        const [last] = asset.updates;
        return (
          <List.Item key={place}>
            <Box asChild bg={here ? "bg.emphasized" : undefined} borderRadius="sm" display="block" p={1}>
              <Link aria-current={here ? "page" : undefined} to={search(team, place)}>
                <Text overflowWrap="anywhere">
                  {asset.owner === team ? "" : `${asset.owner} / `}
                  {shown(asset.name)}
                </Text>
                <Text color="fg.muted" fontSize="xs">
                  {last ? [ago(last.at), ...(last.rows === null ? [] : [`${count(last.rows)} rows`])].join(" · ") : "not published yet"}
                </Text>
              </Link>
            </Box>
          </List.Item>
        );
      })}
    </List.Root>
  );
}
