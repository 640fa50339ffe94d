/** A table of the warehouse: its columns and first rows, as the team's own role may read them. */
import { Heading, Stack, Text } from "@chakra-ui/react";
import type { ReactElement } from "react";

import { Failed, Loading } from "../shared/states";
import { useAsk } from "../shared/useAsk";
import type { TableShown } from "./answers";
import { asked, shown } from "./places";
import { Rows } from "./Rows";

/** A table that a team has, or that another one publishes to it. */
export function TableView({ team, owner, name, at }: { team: string; owner: string; name: string; at: string }): ReactElement {
  const { data, error, again } = useAsk<TableShown>(asked(team, "table", at));
  const kind = data?.kind ?? "table";
  return (
    <Stack gap={3} minW={0}>
      <Heading as="h2" overflowWrap="anywhere" size="md">
        <bdi>{shown(name)}</bdi>
      </Heading>
      <Text color="fg.muted" fontSize="sm">
        {owner === team ? `A ${kind} of ${team} in the warehouse.` : `A table of ${owner} in the warehouse, shared with ${team}.`}
      </Text>
      {error ? <Failed again={again} error={error} /> : data ? <Found again={again} data={data} /> : <Loading lines={8} what="Looking at the table" />}
      {error && owner !== team ? (
        <Text color="fg.muted">It can be read as soon as {owner} has made it; a view cannot be published.</Text>
      ) : null}
    </Stack>
  );
}

function Found({ data, again }: { data: TableShown; again: () => void }): ReactElement {
  if (data.kind === null) return <Failed again={again} error={new Error(data.note)} />;
  return (
    <>
      {data.note ? <Failed again={again} error={new Error(data.note)} /> : null}
      <Rows about={data.about_rows} data={data} />
    </>
  );
}
