/** What the homes are made of: panels, figures, the shape of a mood, links and moments. */
import { Badge, Box, chakra, Heading, HStack, Link, Text } from "@chakra-ui/react";
import { useId, type ReactElement, type ReactNode } from "react";
import { Link as RouterLink } from "react-router-dom";

import { base } from "../shared/api";
import { ago, count, duration, moment } from "../shared/format";
import type { Mood, TeamHome, Where } from "./model";
import { homeOf, lastHours, nameOf, pageOf, runCounts, type Hour } from "./telling";

/** A frame with a heading; a number beside it says how much is in it. */
export function Panel({ title, number, note, children }: PanelProps): ReactElement {
  const id = useId();
  return (
    <Box aria-labelledby={id} as="section" bg="bg.panel" borderRadius="md" borderWidth={1} minWidth={0} overflow="hidden">
      <HStack borderBottomWidth={1} gap={2} px={4} py={2}>
        <Heading as="h2" id={id} size="sm">
          {title}
        </Heading>
        {number ? <Badge variant="subtle">{number}</Badge> : null}
        <Text color="fg.muted" fontSize="xs" ml="auto" textAlign="end">
          {note}
        </Text>
      </HStack>
      <Box>{children}</Box>
    </Box>
  );
}

type PanelProps = {
  readonly title: string;
  readonly number?: string | undefined;
  readonly note?: ReactNode;
  readonly children: ReactNode;
};

/** A panel with nothing in it says so in one calm line. */
export const Nothing = ({ children }: { children: ReactNode }): ReactElement => (
  <Text color="fg.muted" fontSize="sm" px={4} py={3}>
    {children}
  </Text>
);

/** One line of a panel. */
export const Row = ({ children }: { children: ReactNode }): ReactElement => (
  <Box as="li" borderTopWidth={1} fontSize="sm" listStyleType="none" minWidth={0} px={4} py={2} _first={{ borderTopWidth: 0 }}>
    {children}
  </Box>
);

/** The lines of a panel. */
export const Rows = ({ children }: { children: ReactNode }): ReactElement => <Box as="ul">{children}</Box>;

/** A figure with its name; `bad` colours it, and its words say the same. */
export function Figure({ name, value, under, bad = false }: FigureProps): ReactElement {
  return (
    <Box bg="bg.panel" borderRadius="md" borderWidth={1} minWidth={0} px={4} py={2}>
      <Text color="fg.muted" fontSize="xs">
        {name}
      </Text>
      <Text color={bad ? "fg.error" : "fg"} fontSize="xl" fontVariantNumeric="tabular-nums" fontWeight="semibold" lineHeight="short">
        {value}
      </Text>
      <Box color="fg.muted" fontSize="xs">
        {under}
      </Box>
    </Box>
  );
}

type FigureProps = {
  readonly name: string;
  readonly value: string;
  readonly under: ReactNode;
  readonly bad?: boolean;
};

/** A link within this view. */
export const To = ({ path, children }: { path: string; children: ReactNode }): ReactElement => (
  <Link asChild color="fg.info" wordBreak="break-word">
    <RouterLink to={path}>{children}</RouterLink>
  </Link>
);

/** The Dag, run or task that something is about; of another view, a link that loads it. */
export function About({ where, name = nameOf(where) }: { where: Where; name?: string }): ReactElement {
  if (where.team === null) return <To path={pageOf(where)}>{name}</To>;
  const view = homeOf(base(), where.team).replace(/\/plugin\/team$/u, "");
  return (
    <span>
      <Text as="span" color="fg.muted">
        {where.team} ·{" "}
      </Text>
      <Link color="fg.info" href={`${view}${pageOf(where)}`} wordBreak="break-word">
        {name}
      </Link>
    </span>
  );
}

/** How long ago something was, with the moment in full for who points at it. */
export const When = ({ at }: { at: string }): ReactElement => (
  <chakra.time color="fg.muted" dateTime={at} title={moment(at)} whiteSpace="nowrap">
    {ago(at)}
  </chakra.time>
);

/** Seconds since a moment, in words. */
export const lasting = (since: string, now: string): string =>
  duration(Math.max(0, (Date.parse(now) - Date.parse(since)) / 1000));

const WORDS: Readonly<Record<Mood, string>> = {
  leaving: "leaving",
  suspended: "suspended",
  broken: "files or source broken",
  failing: "failing",
  late: "late",
  waiting: "waiting",
  quiet: "quiet",
  empty: "no Dags",
  well: "well",
};

/** What a mood is called. */
export const moodWord = (mood: Mood): string => WORDS[mood];

const COLOURS: Readonly<Record<Mood, string>> = {
  leaving: "fg.muted",
  suspended: "fg.muted",
  broken: "fg.error",
  failing: "fg.error",
  late: "fg.warning",
  waiting: "fg.warning",
  quiet: "fg.muted",
  empty: "fg.muted",
  well: "fg.success",
};
/** A shape for each: nobody has to tell red from green. */
const SHAPES: Readonly<Record<Mood, string>> = {
  leaving: "M2 8h9M8 4l4 4-4 4",
  suspended: "M5 3v10M11 3v10",
  broken: "M3 3l10 10M13 3L3 13",
  failing: "M8 2l6.5 12h-13zM8 6.5v3.5M8 11.8v.4",
  late: "M8 1.8a6.2 6.2 0 110 12.4A6.2 6.2 0 018 1.8zM8 4.5V8l2.6 1.6",
  waiting: "M4 2h8M4 14h8M5 2c0 4 6 8 6 12M11 2c0 4-6 8-6 12",
  quiet: "M3 8h10",
  empty: "M8 2.5a5.5 5.5 0 110 11 5.5 5.5 0 010-11z",
  well: "M3 8.5l3.2 3.2L13 4.8",
};

/** The sign of a mood; its word stands beside it, or in the name of what it is on. */
export const Sign = ({ mood, size = 4 }: { mood: Mood; size?: number }): ReactElement => (
  <chakra.svg
    aria-hidden="true"
    boxSize={size}
    color={COLOURS[mood]}
    fill="none"
    flexShrink={0}
    stroke="currentColor"
    strokeLinecap="round"
    strokeLinejoin="round"
    strokeWidth={2}
    viewBox="0 0 16 16"
  >
    <path d={SHAPES[mood]} />
  </chakra.svg>
);

/** The runs of the last day, a bar an hour: what failed stands at the foot, in red and wider. */
export function Sparkline({ hours, now }: Pick<TeamHome, "hours" | "now">): ReactElement {
  const bars = lastHours(hours, now);
  const most = Math.max(1, ...bars.map(total));
  const { success, failed } = runCounts(hours);
  return (
    <chakra.svg
      aria-label={`Runs an hour in the last day: ${count(success)} succeeded, ${count(failed)} failed`}
      display="block"
      height={8}
      preserveAspectRatio="none"
      role="img"
      viewBox="0 0 144 32"
      width="full"
    >
      {bars.map((hour, place) => (
        <Bar hour={hour} key={hour.start} most={most} x={place * 6} />
      ))}
    </chakra.svg>
  );
}

const total = (hour: Hour): number => hour.success + hour.failed + hour.running + hour.queued;

function Bar({ hour, most, x }: { hour: Hour; most: number; x: number }): ReactElement {
  const all = total(hour);
  const high = all === 0 ? 1 : Math.max(3, (30 * all) / most);
  const low = hour.failed === 0 ? 0 : Math.max(3, (30 * hour.failed) / most);
  return (
    <g>
      <title>{`${moment(new Date(hour.start).toISOString())}: ${all} runs, ${hour.failed} failed`}</title>
      <chakra.rect fill={all === 0 ? "border" : "success.solid"} height={high} width={4} x={x + 1} y={31 - high} />
      {low === 0 ? null : <chakra.rect fill="failed.solid" height={low} width={5.6} x={x + 0.2} y={31 - low} />}
    </g>
  );
}

/** How much of something is taken. */
export function Meter({ used, most, name }: { used: number; most: number; name: string }): ReactElement {
  const part = most > 0 ? Math.min(1, used / most) : 0;
  return (
    <Box aria-label={name} aria-valuemax={Math.max(most, 0)} aria-valuemin={0} aria-valuenow={used} bg="bg.emphasized" borderRadius="full" height={1.5} overflow="hidden" role="meter">
      <Box bg={part >= 1 ? "queued.solid" : "running.solid"} height="full" style={{ width: `${part * 100}%` }} />
    </Box>
  );
}
