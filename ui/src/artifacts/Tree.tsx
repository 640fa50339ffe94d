/** The files of a team's storage: each folder is asked for when it is unfolded, a page at a time. */
import { Box, Button, Code, HStack, List, Text } from "@chakra-ui/react";
import { useState, type ReactElement } from "react";
import { Link } from "react-router-dom";

import { ask } from "../shared/api";
import { size } from "../shared/format";
import { Failed } from "../shared/states";
import { useAsk } from "../shared/useAsk";
import type { Entry, Folder } from "./answers";
import { above, asked, search, shown } from "./places";

type Seen = { readonly team: string; readonly selected: string | null };

/** What is in one folder, and in those that are unfolded below it. */
export function Tree({ team, selected, at }: Seen & { at: string }): ReactElement {
  const first = useAsk<Folder>(asked(team, "files", at));
  const [more, setMore] = useState<readonly Folder[]>([]);
  const [error, setError] = useState<Error>();
  if (first.error) return <Failed again={first.again} error={first.error} />;
  if (!first.data) return <Text color="fg.muted">Looking …</Text>;
  const pages = [first.data, ...more];
  const next = pages.at(-1)?.next;
  const entries = pages.flatMap((page) => page.entries);
  if (entries.length === 0) return <Nothing first={at === "files"} />;
  const show = (after: string): void => {
    ask<Folder>(asked(team, "files", at, after))
      .then((page) => setMore((before) => [...before, page]))
      .catch((problem: unknown) => setError(problem instanceof Error ? problem : new Error(String(problem))));
  };
  return (
    <>
      <List.Root gap={0.5} listStyleType="none">
        {entries.map((entry) => (
          <List.Item key={`${entry.kind}/${entry.name}`}>
            <Leaf at={`${at}/${entry.name}`} entry={entry} selected={selected} team={team} />
          </List.Item>
        ))}
      </List.Root>
      {pages.every((page) => page.complete) ? null : (
        <Text color="fg.warning">There are too many names here to look at all of them.</Text>
      )}
      {error ? <Failed error={error} /> : null}
      {next ? (
        <Button onClick={() => show(next)} size="xs" variant="outline">
          Show more
        </Button>
      ) : null}
    </>
  );
}

/** An empty folder; of the first one, how files come into it. */
function Nothing({ first }: { first: boolean }): ReactElement {
  if (!first) return <Text color="fg.muted">Nothing is in here.</Text>;
  return (
    <Text color="fg.muted" fontSize="sm">
      Nothing is in here yet. What a task writes below <Code fontSize="xs">airspace.sdk.storage()</Code> is here for the team alone; what it
      writes with <Code fontSize="xs">publish()</Code>, others may read, too.
    </Text>
  );
}

function Leaf({ team, selected, at, entry }: Seen & { at: string; entry: Entry }): ReactElement {
  const [open, setOpen] = useState(() => above(selected).includes(at));
  const name = <bdi>{shown(entry.name)}</bdi>;
  if (entry.kind === "folder") {
    return (
      <>
        <Button
          aria-expanded={open}
          justifyContent="flex-start"
          onClick={() => setOpen(!open)}
          px={1}
          size="xs"
          variant="ghost"
          whiteSpace="normal"
        >
          <span aria-hidden="true">{open ? "▾" : "▸"}</span> {name}
        </Button>
        {open ? (
          <Box borderStartWidth={1} ms={2} ps={2}>
            <Tree at={at} selected={selected} team={team} />
          </Box>
        ) : null}
      </>
    );
  }
  if (entry.kind !== "file") {
    return (
      <Text color="fg.muted" fontSize="sm" px={5}>
        {name} ({entry.kind === "link" ? "a link: not followed" : "no file"})
      </Text>
    );
  }
  return (
    <HStack asChild bg={at === selected ? "bg.emphasized" : undefined} borderRadius="sm" fontSize="sm" gap={2} ps={5}>
      <Link aria-current={at === selected ? "page" : undefined} to={search(team, at)}>
        <Text as="span" flex={1} overflowWrap="anywhere">
          {name}
        </Text>
        <Text as="span" color="fg.muted" flexShrink={0} fontSize="xs">
          {size(entry.bytes)}
        </Text>
      </Link>
    </HStack>
  );
}
