/** Where a team's time, processors and memory go. */
import { Box, HStack, Table, Text } from "@chakra-ui/react";
import type { ReactElement } from "react";

import { count, duration, memory as bytes } from "../shared/format";
import type { Cost, Memory, Waste } from "./model";
import { EDGES, Scrolls } from "./panels";
import { About, Nothing, Panel, Row, Rows } from "./parts";
import { busyWords, nameOf } from "./telling";

type Props = { readonly slowest: readonly Cost[]; readonly wasteful: readonly Waste[]; readonly memory?: Memory };

/** The slowest tasks, those that waste time, and how much memory the largest one took. */
export function Costs({ slowest, wasteful, memory }: Props): ReactElement {
  return (
    <Panel note="last 24 hours, all tries" title="Where the time goes">
      {slowest.length === 0 ? <Nothing>No task ended in the last day.</Nothing> : <Slowest slowest={slowest} />}
      {memory === undefined || memory.peak === null ? null : <MemoryLine memory={memory} />}
      {wasteful.length === 0 ? null : (
        <Box borderTopWidth={1}>
          <Text fontSize="xs" fontWeight="semibold" px={4} pt={2}>
            Wasted
          </Text>
          <Rows>
            {wasteful.map((waste) => (
              <Row key={nameOf(waste)}>
                <HStack flexWrap="wrap" gap={2} rowGap={0}>
                  <About where={waste} />
                  <Text fontSize="xs" ml="auto" whiteSpace="nowrap">
                    {duration(waste.seconds)} lost
                  </Text>
                </HStack>
                <Text fontSize="xs">{waste.words}</Text>
                <Text color="fg.muted" fontSize="xs">
                  {waste.advice}
                </Text>
              </Row>
            ))}
          </Rows>
        </Box>
      )}
    </Panel>
  );
}

function Slowest({ slowest }: { slowest: readonly Cost[] }): ReactElement {
  return (
    <Scrolls label="The slowest tasks">
      <Table.Root css={EDGES} size="sm">
        <Table.Header>
          <Table.Row>
            <Table.ColumnHeader>Task</Table.ColumnHeader>
            <Table.ColumnHeader textAlign="end">Tries</Table.ColumnHeader>
            <Table.ColumnHeader textAlign="end">Median</Table.ColumnHeader>
            <Table.ColumnHeader textAlign="end">p95</Table.ColumnHeader>
            <Table.ColumnHeader textAlign="end">Share</Table.ColumnHeader>
            <Table.ColumnHeader textAlign="end" title="How busy it keeps a processor while it runs">
              CPU
            </Table.ColumnHeader>
            <Table.ColumnHeader textAlign="end" title="Its largest process, at its peak">
              Memory
            </Table.ColumnHeader>
          </Table.Row>
        </Table.Header>
        <Table.Body fontSize="xs" fontVariantNumeric="tabular-nums">
          {slowest.map((cost) => (
            <Table.Row key={nameOf(cost)}>
              <Table.Cell minW="10rem">
                <About where={cost} />
                {cost.slots > 1 ? <Text color="fg.muted">asks for {count(cost.slots)} slots</Text> : null}
              </Table.Cell>
              <Table.Cell textAlign="end">{count(cost.tries)}</Table.Cell>
              <Table.Cell textAlign="end" whiteSpace="nowrap">{duration(cost.median)}</Table.Cell>
              <Table.Cell textAlign="end" whiteSpace="nowrap">{duration(cost.p95)}</Table.Cell>
              <Table.Cell textAlign="end">{Math.round(cost.share * 100)} %</Table.Cell>
              <Table.Cell
                textAlign="end"
                title={cost.cpu === null ? undefined : `${duration(cost.cpu)} on processors`}
                whiteSpace="nowrap"
              >
                {cost.busy === null ? "" : busyWords(cost.busy)}
              </Table.Cell>
              <Table.Cell textAlign="end" whiteSpace="nowrap">{cost.peak === null ? "" : bytes(cost.peak)}</Table.Cell>
            </Table.Row>
          ))}
        </Table.Body>
      </Table.Root>
    </Scrolls>
  );
}

function MemoryLine({ memory }: { memory: Memory }): ReactElement {
  const { limit, peak, largest, advice } = memory;
  return (
    <Box borderTopWidth={1} fontSize="xs" px={4} py={2}>
      <Text>
        Memory: at most {bytes(peak ?? 0)} in one task
        {largest === null ? "" : <> (<About where={largest} />)</>}
        {limit === null ? "; the team has no limit of its own." : `; the team may use ${bytes(limit)} at once.`}
      </Text>
      {advice === "" ? null : <Text color="fg.muted">{advice}</Text>}
    </Box>
  );
}
