/** What was published as one asset: its updates, its versions with their files, and where it comes from and goes to. */
import { Badge, Box, Heading, HStack, Link as Anchor, List, Stack, Table, Text, Wrap } from "@chakra-ui/react";
import { useMemo, type ReactElement, type ReactNode } from "react";
import { Link } from "react-router-dom";

import { Drawing } from "../lineage/Drawing";
import { around, tied, type Lineage } from "../lineage/graph";
import { ago, count, moment, size } from "../shared/format";
import { Failed, Loading } from "../shared/states";
import { useAsk } from "../shared/useAsk";
import type { Asset, Update, Version, Versions } from "./answers";
import { asked, search, shown, taskAddress } from "./places";

/** An asset, seen by a team: its own, or one that is shared with it. */
export function AssetView({ team, asset }: { team: string; asset: Asset }): ReactElement {
  const at = `published/${asset.owner}/${asset.name}`;
  const versions = useAsk<Versions>(asked(team, "versions", at));
  const own = asset.owner === team;
  return (
    <Stack gap={4} minW={0}>
      <Stack gap={1}>
        <Heading as="h2" overflowWrap="anywhere" size="md">
          {shown(asset.name)}
        </Heading>
        <Text color="fg.muted">
          {own ? `Published by ${team}. ` : `Published by ${asset.owner}, and shared with ${team}. `}
          {own ? (asset.consumers.length > 0 ? `Shared with ${asset.consumers.join(", ")}.` : "Shared with nobody.") : null}
        </Text>
        {asset.tables.length > 0 ? (
          <Text color="fg.muted">
            {asset.tables.length === 1 ? "Table" : "Tables"} of the warehouse:{" "}
            {asset.tables.map((name, number) => (
              <span key={name}>
                {number > 0 ? ", " : ""}
                <Anchor asChild color="fg.info">
                  <Link to={search(team, `tables/${asset.owner}/${name}`)}>{shown(name)}</Link>
                </Anchor>
              </span>
            ))}
          </Text>
        ) : null}
      </Stack>
      <Ties asset={asset} team={team} />
      <Part title="Updates">{asset.updates.length > 0 ? <Updates updates={asset.updates} /> : <Text>None yet.</Text>}</Part>
      <Part title="In storage">
        {versions.error ? (
          versions.error.message.startsWith("There is nothing") ? (
            <Text>No version of it is in storage: its tasks write it elsewhere, or have not run yet.</Text>
          ) : (
            <Failed again={versions.again} error={versions.error} />
          )
        ) : versions.data ? (
          <Stored at={at} found={versions.data} team={team} />
        ) : (
          <Loading lines={3} />
        )}
      </Part>
    </Stack>
  );
}

function Part({ title, children }: { title: string; children: ReactNode }): ReactElement {
  return (
    <Stack as="section" gap={2}>
      <Heading as="h3" size="sm">
        {title}
      </Heading>
      {children}
    </Stack>
  );
}

function Updates({ updates }: { updates: readonly Update[] }): ReactElement {
  return (
    <Box aria-label="Updates" overflowX="auto" role="region" tabIndex={0}>
      <Table.Root size="sm">
        <Table.Header>
          <Table.Row>
            {["When", "Rows", "Size", "Version", "By"].map((title) => (
              <Table.ColumnHeader key={title}>{title}</Table.ColumnHeader>
            ))}
          </Table.Row>
        </Table.Header>
        <Table.Body>
          {updates.map((update) => (
            <Table.Row key={`${update.at}${update.version ?? ""}`}>
              <Table.Cell whiteSpace="nowrap">
                <time dateTime={update.at} title={moment(update.at)}>
                  {ago(update.at)}
                </time>
              </Table.Cell>
              <Table.Cell>{update.rows === null ? "–" : count(update.rows)}</Table.Cell>
              <Table.Cell whiteSpace="nowrap">{update.bytes === null ? "–" : size(update.bytes)}</Table.Cell>
              <Table.Cell whiteSpace="nowrap">{shown(update.version ?? "–")}</Table.Cell>
              <Table.Cell whiteSpace="nowrap">
                <Producer update={update} />
              </Table.Cell>
            </Table.Row>
          ))}
        </Table.Body>
      </Table.Root>
    </Box>
  );
}

function Producer({ update }: { update: Update }): ReactElement {
  if (update.dag_id === null) return <>–</>;
  return (
    <Anchor asChild color="fg.info">
      <Link to={taskAddress(update.dag_id, update.run_id, update.task_id, update.map_index)}>
        {update.task_id === null ? update.dag_id : `${update.dag_id} · ${update.task_id}`}
      </Link>
    </Anchor>
  );
}

function Stored({ team, at, found }: { team: string; at: string; found: Versions }): ReactElement {
  if (found.versions.length === 0) return <Text>No complete version is there.</Text>;
  return (
    <Stack gap={3}>
      {found.versions.map((version) => (
        <Box borderWidth={1} key={version.version} p={3}>
          <HStack flexWrap="wrap" gap={2}>
            <Text fontWeight="semibold" overflowWrap="anywhere">
              {shown(version.version)}
            </Text>
            {version.version === found.current ? <Badge colorPalette="green">current</Badge> : null}
            <Text color="fg.muted" fontSize="sm">
              {version.rows === null ? "" : `${count(version.rows)} rows · `}
              {size(version.bytes)}
            </Text>
          </HStack>
          <Files at={at} team={team} version={version} />
          {version.columns.length > 0 ? (
            <Wrap gap={1} mt={2}>
              {version.columns.map((column, number) => (
                <Badge key={number} variant="outline">
                  {shown(column.name)}: {shown(column.type)}
                </Badge>
              ))}
            </Wrap>
          ) : null}
          {version.inputs.length > 0 ? (
            <Text color="fg.muted" fontSize="sm" mt={2} overflowWrap="anywhere">
              Made of {version.inputs.map(shown).join(", ")}
            </Text>
          ) : null}
        </Box>
      ))}
    </Stack>
  );
}

function Files({ team, at, version }: { team: string; at: string; version: Version }): ReactElement {
  return (
    <List.Root listStyleType="none" mt={1}>
      {version.files.map((file) => (
        <List.Item fontSize="sm" key={file.path}>
          <Anchor asChild color="fg.info">
            <Link to={search(team, `${at}/${version.version}/${file.path}`)}>{shown(file.path)}</Link>
          </Anchor>{" "}
          <Text as="span" color="fg.muted">
            {size(file.bytes)}
          </Text>
        </List.Item>
      ))}
      {version.files_left_out > 0 ? <List.Item fontSize="sm">and {count(version.files_left_out)} more</List.Item> : null}
    </List.Root>
  );
}

/** Where it comes from and goes to, as far as both sides consented. */
function Ties({ team, asset }: { team: string; asset: Asset }): ReactElement | null {
  const { data } = useAsk<Lineage>(`/lineage?${new URLSearchParams({ team }).toString()}`);
  const here = `asset:${asset.owner}/${asset.name}`;
  const found = useMemo(() => (data ? tied(around(data, here)) : undefined), [data, here]);
  if (!found || found.edges.length === 0) return null;
  return (
    <Part title="Lineage">
      <Drawing here={here} lineage={found} />
    </Part>
  );
}
