/** The panels of a team's home; some are the platform's as well. */
import { Badge, Box, Code, Flex, HStack, Stack, Table, Text } from "@chakra-ui/react";
import { useMemo, type ReactElement, type ReactNode } from "react";

import { Drawing } from "../lineage/Drawing";
import { tied } from "../lineage/graph";
import { count, duration } from "../shared/format";
import type { Asset, Failure, Late, TeamHome, Wait } from "./model";
import { About, lasting, Nothing, Panel, Row, Rows, To, When } from "./parts";
import { LATE, nameOf, pageOf, placeToAct, took } from "./telling";

/** A table's first and last columns stand where the panel's heading does. */
export const EDGES = {
  "& th": { color: "fg.muted", fontSize: "xs", fontWeight: "normal" },
  "& th:first-of-type, & td:first-of-type": { paddingInlineStart: "1rem" },
  "& th:last-of-type, & td:last-of-type": { paddingInlineEnd: "1rem" },
  "& tr": { background: "transparent" },
  "& tbody tr:last-of-type td": { borderBottomWidth: 0 },
};

/** The newest runs. */
export function Runs({ ran, now }: Pick<TeamHome, "now" | "ran">): ReactElement {
  return (
    <Panel note={<To path="/dag_runs">all runs</To>} title="What ran">
      {ran.length === 0 ? <Nothing>Nothing ran in the last day.</Nothing> : null}
      <Rows>
        {ran.map((run) => (
          <Row key={pageOf(run)}>
            <HStack flexWrap="wrap" gap={2} rowGap={0}>
              <About where={run} />
              <Badge colorPalette={run.state}>{run.state}</Badge>
              <Text color="fg.muted" fontSize="xs" ml="auto">
                {run.began === null ? "not begun" : <>{duration(took(run, now))}, began <When at={run.began} /></>}
              </Text>
            </HStack>
          </Row>
        ))}
      </Rows>
    </Panel>
  );
}

/** What failed and why. */
export function Failures({ failures }: Pick<TeamHome, "failures">): ReactElement {
  const { tasks, total, more } = failures;
  return (
    <Panel note={<To path="/task_instances?state=failed">all failed tasks</To>} number={total ? `${count(total)}${more ? " or more" : ""}` : undefined} title="What failed, and why">
      {tasks.length === 0 ? <Nothing>No task failed in the last day.</Nothing> : null}
      <Rows>
        {tasks.map((failure) => (
          <Failed failure={failure} key={nameOf(failure)} />
        ))}
      </Rows>
    </Panel>
  );
}

function Failed({ failure }: { failure: Failure }): ReactElement {
  const { lines, error, place } = failure;
  return (
    <Row>
      <HStack flexWrap="wrap" gap={2} rowGap={0}>
        <About where={failure} />
        {failure.times > 1 ? <Badge colorPalette="failed">{count(failure.times)} times</Badge> : null}
        {failure.again ? <Badge colorPalette="up_for_retry">tries again</Badge> : null}
        <Box fontSize="xs" ml="auto">
          {failure.ended === null ? null : <When at={failure.ended} />}
        </Box>
      </HStack>
      {error === null ? <Unread readable={failure.readable} /> : <Said>{error}</Said>}
      {place === null ? null : (
        <Text color="fg.muted" fontSize="xs">
          {place}
        </Text>
      )}
      {lines.length > (error === null ? 0 : 1) ? <LastLines lines={lines} /> : null}
    </Row>
  );
}

const Said = ({ children }: { children: ReactNode }): ReactElement => (
  <Code bg="transparent" color="fg" display="block" fontSize="xs" px={0} whiteSpace="pre-wrap" wordBreak="break-word">
    {children}
  </Code>
);

const Unread = ({ readable }: { readable: boolean }): ReactElement => (
  <Text color="fg.muted" fontSize="xs">
    {readable ? "Its log tells no error: the last lines say what it did." : "Its log is not here, or says nothing."}
  </Text>
);

const LastLines = ({ lines }: { lines: readonly string[] }): ReactElement => (
  <Box as="details" fontSize="xs" mt={1}>
    <Box as="summary" color="fg.muted" cursor="pointer">
      last lines of the log
    </Box>
    <Stack as="pre" bg="bg.subtle" borderRadius="sm" fontFamily="mono" gap={0} mt={1} p={2} whiteSpace="pre-wrap" wordBreak="break-word">
      {lines.map((line, place) => (
        <span key={place}>{line}</span>
      ))}
    </Stack>
  </Box>
);

/** What waits, and for whom. */
export function Waits({ waits, total, now }: { waits: readonly Wait[]; total?: number; now: string }): ReactElement {
  return (
    <Panel number={total ? count(total) : undefined} title="What waits, and for whom">
      {waits.length === 0 ? <Nothing>Nothing waits.</Nothing> : null}
      <Rows>
        {waits.map((wait) => (
          <Row key={`${nameOf(wait)} ${wait.run_id ?? ""} ${wait.state}`}>
            <HStack flexWrap="wrap" gap={2} rowGap={0}>
              <About where={wait} />
              <Badge colorPalette={wait.state === "not made" ? "gray" : wait.state}>{wait.state.replaceAll("_", " ")}</Badge>
              {wait.times > 1 ? <Badge variant="subtle">{count(wait.times)} of them</Badge> : null}
              <Text color="fg.muted" fontSize="xs" ml="auto" whiteSpace="nowrap">
                {wait.since === null ? "" : `for ${lasting(wait.since, now)}`}
              </Text>
            </HStack>
            <For wait={wait} />
          </Row>
        ))}
      </Rows>
    </Panel>
  );
}

function For({ wait }: { wait: Wait }): ReactElement {
  const path = wait.team === null ? placeToAct(wait.whom) : null;
  return (
    <Text fontSize="xs" wordBreak="break-word">
      <Text as="span" color="fg.muted">
        waits for{" "}
      </Text>
      {path === null ? wait.words : <To path={path}>{wait.words}</To>}
      {wait.until === null ? null : <> (<When at={wait.until} />)</>}
    </Text>
  );
}

/** What is late. */
export function LateOnes({ late, assets, now }: Pick<TeamHome, "assets" | "late" | "now">): ReactElement {
  const stale = assets.filter((asset) => asset.expected !== null);
  return (
    <Panel number={late.length + stale.length ? count(late.length + stale.length) : undefined} title="What is late">
      {late.length + stale.length === 0 ? <Nothing>Nothing is late.</Nothing> : null}
      <Rows>
        {late.map((each) => (
          <Row key={`${each.how} ${each.dag_id} ${each.run_id ?? ""} ${each.since}`}>
            <HStack flexWrap="wrap" gap={2} rowGap={0}>
              <About where={each} />
              <Text color="fg.warning" fontSize="xs">
                {LATE[each.how]}
              </Text>
              <Text color="fg.muted" fontSize="xs" ml="auto">
                {howLate(each, now)}
              </Text>
            </HStack>
          </Row>
        ))}
        {stale.map((asset) => (
          <Row key={asset.id}>
            <HStack flexWrap="wrap" gap={2} rowGap={0}>
              <To path={`/assets/${asset.id}`}>{asset.name}</To>
              <Text color="fg.warning" fontSize="xs">
                not updated as usual
              </Text>
              <Text color="fg.muted" fontSize="xs" ml="auto">
                {asset.expected === null ? null : <>expected <When at={asset.expected} /></>}
              </Text>
            </HStack>
          </Row>
        ))}
      </Rows>
    </Panel>
  );
}

function howLate({ how, since, usual, detail }: Late, now: string): ReactNode {
  if (how === "overruns") return `${lasting(since, now)}, usually ${duration(usual ?? 0)}`;
  return (
    <>
      {detail === null ? "" : `${detail}, `}
      <When at={since} />
    </>
  );
}

/** What is wider than the page is moved within its frame, by keyboard too. */
export const Scrolls = ({ label, children }: { label: string; children: ReactNode }): ReactElement => (
  <Box aria-label={label} overflowX="auto" role="region" tabIndex={0}>
    {children}
  </Box>
);

/** What the team owns and what others share with it. */
export function Assets({ assets, name }: { assets: readonly Asset[]; name: string }): ReactElement {
  return (
    <Panel number={assets.length ? count(assets.length) : undefined} title="Assets, and who shares what">
      {assets.length === 0 ? (
        <Nothing>
          No assets yet. A task names what it makes (<Code fontSize="xs">outlets=[Asset(&quot;profiles&quot;)]</Code>), and a line of the
          team file says who may use it: <Code fontSize="xs">{`assets: {profiles: {consumers: [another_team]}}`}</Code>
        </Nothing>
      ) : (
        <Scrolls label="Assets">
          <Table.Root css={EDGES} size="sm">
            <Table.Header>
              <Table.Row>
                <Table.ColumnHeader>Asset</Table.ColumnHeader>
                <Table.ColumnHeader>Made by</Table.ColumnHeader>
                <Table.ColumnHeader>Used by</Table.ColumnHeader>
                <Table.ColumnHeader textAlign="end">Rows</Table.ColumnHeader>
                <Table.ColumnHeader textAlign="end">Updated</Table.ColumnHeader>
              </Table.Row>
            </Table.Header>
            <Table.Body fontSize="xs">
              {assets.map((asset) => (
                <OneAsset asset={asset} key={asset.id} name={name} />
              ))}
            </Table.Body>
          </Table.Root>
        </Scrolls>
      )}
    </Panel>
  );
}

function OneAsset({ asset, name }: { asset: Asset; name: string }): ReactElement {
  const { last } = asset;
  const makers = asset.own ? asset.makers : [asset.owner ?? (asset.makers.length ? name : "not known")];
  return (
    <Table.Row>
      <Table.Cell>
        <To path={`/assets/${asset.id}`}>{asset.name}</To>
      </Table.Cell>
      <Table.Cell>{makers.length ? makers.join(", ") : "no task of this team"}</Table.Cell>
      <Table.Cell>{[...asset.users, ...asset.consumers].join(", ") || "nobody yet"}</Table.Cell>
      <Table.Cell fontVariantNumeric="tabular-nums" textAlign="end">
        {last?.rows === null || last === null ? "" : count(last.rows)}
      </Table.Cell>
      <Table.Cell textAlign="end">{last === null ? "never" : <When at={last.at} />}</Table.Cell>
    </Table.Row>
  );
}

/** Where data comes from and goes to, also across teams. */
export function Ties({ lineage }: Pick<TeamHome, "lineage">): ReactElement {
  const drawn = useMemo(() => tied(lineage), [lineage]);
  return (
    <Panel note={<To path={`/plugin/artifacts?${new URLSearchParams({ team: lineage.team }).toString()}`}>artifacts</To>} title="Where data comes from, and goes to">
      {drawn.edges.length === 0 ? (
        <Nothing>
          Nothing to draw yet. A Dag that makes an asset (<Code fontSize="xs">outlets</Code>), starts by one (
          <Code fontSize="xs">schedule</Code>) or reads one (<Code fontSize="xs">inlets</Code>) is here with what it makes and uses, also of
          other teams.
        </Nothing>
      ) : (
        <Box px={4} py={2}>
          <Drawing lineage={drawn} />
        </Box>
      )}
    </Panel>
  );
}

/** Files that make no Dags, and the source that they come from. */
export function Files({ files, source }: Pick<TeamHome, "files" | "source">): ReactElement | null {
  if (files.total === 0 && source === null) return null;
  return (
    <Panel number={files.total ? count(files.total) : undefined} title="Files">
      {source === null ? null : <SourceLine source={source} />}
      <Rows>
        {files.newest.map((error) => (
          <Row key={error.file}>
            <Flex gap={2} justify="space-between">
              <Text fontWeight="medium" wordBreak="break-all">
                {error.file}
              </Text>
              {error.at === null ? null : <Text fontSize="xs"><When at={error.at} /></Text>}
            </Flex>
            <Said>{error.words}</Said>
          </Row>
        ))}
      </Rows>
    </Panel>
  );
}

const KINDS: Readonly<Record<string, string>> = { folder: "the folder", git: "a git repository:", object_store: "an object store:" };

function SourceLine({ source }: { source: NonNullable<TeamHome["source"]> }): ReactElement {
  return (
    <Box borderBottomWidth={1} fontSize="sm" px={4} py={2}>
      <Text>
        From {KINDS[source.kind] ?? source.kind} {source.place}
        {source.version === null ? "" : `, version ${source.version}`}
        {source.fetched === null ? null : <>, looked at <When at={source.fetched} /></>}
      </Text>
      {source.problem === null ? null : (
        <Text color="fg.error" fontSize="xs">
          It cannot be fetched: {source.problem}
        </Text>
      )}
      {source.left_out === 0 ? null : (
        <Text color="fg.muted" fontSize="xs">
          {count(source.left_out)} of its files are left out
        </Text>
      )}
    </Box>
  );
}
