/** Where data comes from and goes to: Dags, assets and teams from left to right, each of which leads on. */
import { Box, chakra, Link as Anchor, List, Text, VisuallyHidden } from "@chakra-ui/react";
import { useMemo, useState, type ReactElement } from "react";
import { Link } from "react-router-dom";

import { search, shown, taskAddress } from "../artifacts/places";
import { called, drawn, layout, MOST_DRAWN, ties, type Edge, type Lineage, type Node, type Placed } from "./graph";

const WIDE = 200;
const HIGH = 46;
const ACROSS = WIDE + 56;
const DOWN = HIGH + 14;
const EDGE = 8;

type Seen = { readonly lineage: Lineage; readonly here?: string };

/**
 * The drawing, and the same in words.
 *
 * @param lineage what is drawn; what is tied to nothing should not be in it
 * @param here the id of what the page is about
 */
export function Drawing({ lineage, here }: Seen): ReactElement {
  const many = lineage.nodes.length > MOST_DRAWN;
  return (
    <Box>
      {many ? null : <Drawn here={here ?? ""} lineage={lineage} />}
      {lineage.complete ? null : <Text color="fg.warning">There is more than can be told here.</Text>}
      <Box as="details" fontSize="sm" mt={2} {...(many ? { open: true } : {})}>
        <Box as="summary" color="fg.muted" cursor="pointer" fontSize="xs">
          {many ? "Too many to be drawn; in words" : "The same in words"}
        </Box>
        <InWords lineage={lineage} />
      </Box>
    </Box>
  );
}

function Drawn({ lineage, here }: Required<Seen>): ReactElement {
  const { nodes, columns, rows } = useMemo(() => layout(lineage), [lineage]);
  const [active, setActive] = useState<string>();
  const at = new Map(nodes.map((node) => [node.id, node]));
  const size = { width: columns * ACROSS - 56 + 2 * EDGE, height: rows * DOWN - 14 + 2 * EDGE };
  const lines = drawn(lineage).flatMap((edge) => {
    const [from, to] = [at.get(edge.source), at.get(edge.target)];
    return from && to ? [{ edge, from, to }] : [];
  });
  return (
    <Box aria-label="Lineage" maxH="32rem" overflow="auto" role="region" tabIndex={0}>
      <Box position="relative" style={size}>
        <chakra.svg aria-hidden="true" inset={0} position="absolute" style={size}>
          {lines.map(({ edge, from, to }) => (
            <Line active={active === edge.source || active === edge.target} edge={edge} from={from} key={`${edge.source} ${edge.target} ${edge.how}`} to={to} />
          ))}
        </chakra.svg>
        <List.Root listStyleType="none">
          {nodes.map((node) => (
            <List.Item
              key={node.id}
              onBlur={() => setActive(undefined)}
              onFocus={() => setActive(node.id)}
              onMouseEnter={() => setActive(node.id)}
              onMouseLeave={() => setActive(undefined)}
              position="absolute"
              style={{ left: left(node), top: top(node), width: WIDE, height: HIGH }}
            >
              <Card here={node.id === here} lineage={lineage} node={node} />
            </List.Item>
          ))}
        </List.Root>
      </Box>
    </Box>
  );
}

const left = ({ column }: Placed): number => EDGE + column * ACROSS;
const top = ({ row }: Placed): number => EDGE + row * DOWN;

/** What does not begin by itself (a Dag reads it, a version was made of it) is dashed. */
function Line({ edge, from, to, active }: { edge: Edge; from: Placed; to: Placed; active: boolean }): ReactElement {
  const [x, y, toX, toY] = [left(from) + WIDE, top(from) + HIGH / 2, left(to), top(to) + HIGH / 2];
  const bend = Math.max(28, (toX - x) / 2);
  return (
    <chakra.path
      d={`M${x} ${y}C${x + bend} ${y} ${toX - bend} ${toY} ${toX} ${toY}`}
      fill="none"
      stroke={active ? "fg" : "fg.subtle"}
      strokeDasharray={edge.how === "read" || edge.how === "made" ? "4 4" : undefined}
      strokeWidth={active ? 2 : 1.5}
    />
  );
}

function Card({ node, lineage, here }: { node: Node; lineage: Lineage; here: boolean }): ReactElement {
  const to = addressOf(node, lineage.team);
  const frame = {
    "aria-current": here ? ("true" as const) : undefined,
    bg: here ? "bg.emphasized" : "bg.panel",
    borderColor: here ? "fg.muted" : "border.emphasized",
    borderRadius: node.kind === "dag" ? "md" : "2xl",
    borderStyle: node.team === lineage.team ? "solid" : "dashed",
    borderWidth: 1,
    display: "block",
    height: "full",
    lineHeight: "short",
    px: 3,
    py: 1,
    title: shown(called(node, lineage.team)),
  };
  const inside = <Inside lineage={lineage} node={node} />;
  return to === null ? (
    <Box {...frame}>{inside}</Box>
  ) : (
    <Anchor asChild color="fg" {...frame}>
      <Link to={to}>{inside}</Link>
    </Anchor>
  );
}

function Inside({ node, lineage }: { node: Node; lineage: Lineage }): ReactElement {
  const told = node.kind === "asset" ? ties(lineage, node.id).map(([words, nodes]) => `${words} ${nodes.map((each) => called(each, lineage.team)).join(", ")}`) : [];
  const mine = node.team === lineage.team;
  return (
    <>
      <chakra.span display="block" fontSize="sm" fontWeight="medium" overflow="hidden" textOverflow="ellipsis" whiteSpace="nowrap">
        {shown(node.title ?? node.name)}
      </chakra.span>
      <chakra.span color="fg.muted" display="block" fontSize="xs" overflow="hidden" textOverflow="ellipsis" whiteSpace="nowrap">
        {node.kind === "dag" ? "Dag" : node.kind === "team" ? "team" : mine ? "asset" : `asset of ${node.team}`}
      </chakra.span>
      {told.length > 0 ? <VisuallyHidden>{shown(told.join("; "))}</VisuallyHidden> : null}
    </>
  );
}

/** Where it leads: a Dag's own page, an asset's among the artifacts; a team may be none of the reader's. */
function addressOf(node: Node, team: string): string | null {
  if (node.kind === "dag") return taskAddress(node.name, null, null, null);
  return node.kind === "asset" ? `/plugin/artifacts${search(team, `published/${node.team}/${node.name}`)}` : null;
}

function InWords({ lineage }: { lineage: Lineage }): ReactElement {
  const { nodes, team } = lineage;
  return (
    <List.Root listStyleType="none" mt={1}>
      {nodes
        .filter(({ kind }) => kind === "asset")
        .map((node) => (
          <List.Item key={node.id} overflowWrap="anywhere">
            <Text as="span" fontWeight="medium">
              {shown(called(node, team))}
            </Text>
            {ties(lineage, node.id).map(([words, found]) => (
              <span key={words}>
                {": "}
                {words}{" "}
                {found.map((each, number) => {
                  const to = addressOf(each, team);
                  const name = shown(called(each, team));
                  return (
                    <span key={each.id}>
                      {number > 0 ? ", " : ""}
                      {to === null ? (
                        name
                      ) : (
                        <Anchor asChild color="fg.info">
                          <Link to={to}>{name}</Link>
                        </Anchor>
                      )}
                    </span>
                  );
                })}
              </span>
            ))}
          </List.Item>
        ))}
    </List.Root>
  );
}
