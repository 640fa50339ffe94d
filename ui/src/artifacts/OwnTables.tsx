/** What a team has in the warehouse: asked for when it is unfolded. */
import { Box, Button, List, Text } from "@chakra-ui/react";
import { useState, type ReactElement } from "react";
import { Link } from "react-router-dom";

import { count } from "../shared/format";
import { Failed } from "../shared/states";
import { useAsk } from "../shared/useAsk";
import type { Tables } from "./answers";
import { search, shown } from "./places";

type Seen = { readonly team: string; readonly selected: string | null };

/** A line that unfolds. */
export function OwnTables({ team, selected }: Seen): ReactElement {
  const [open, setOpen] = useState((selected ?? "").startsWith(`tables/${team}/`));
  return (
    <>
      <Button aria-expanded={open} justifyContent="flex-start" onClick={() => setOpen(!open)} px={1} size="xs" variant="ghost">
        <span aria-hidden="true">{open ? "▾" : "▸"}</span> {`tables of ${team}`}
      </Button>
      {open ? (
        <Box borderStartWidth={1} ms={2} ps={2}>
          <Names selected={selected} team={team} />
        </Box>
      ) : null}
    </>
  );
}

function Names({ team, selected }: Seen): ReactElement {
  const { data, error, again } = useAsk<Tables>(`/artifacts/${encodeURIComponent(team)}/tables`);
  if (error) return <Failed again={again} error={error} />;
  if (!data) return <Text color="fg.muted">Looking …</Text>;
  if (data.note) return <Failed again={again} error={new Error(data.note)} />;
  if (data.tables.length === 0) {
    return <Text color="fg.muted">No tables yet: a task makes them by the connection warehouse.</Text>;
  }
  return (
    <List.Root gap={0.5} listStyleType="none">
      {data.tables.map(({ name, kind, about_rows: about }) => {
        const place = `tables/${team}/${name}`;
        return (
          <List.Item key={name}>
            <Box asChild bg={place === selected ? "bg.emphasized" : undefined} borderRadius="sm" display="block" fontSize="sm" ps={2}>
              <Link aria-current={place === selected ? "page" : undefined} to={search(team, place)}>
                <bdi>{shown(name)}</bdi>{" "}
                <Text as="span" color="fg.muted" fontSize="xs">
                  {[...(kind === "table" ? [] : [kind]), ...(about ? [`about ${count(about)} rows`] : [])].join(", ")}
                </Text>
              </Link>
            </Box>
          </List.Item>
        );
      })}
      {data.more ? <List.Item fontSize="sm">and more</List.Item> : null}
    </List.Root>
  );
}
