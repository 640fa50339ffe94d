/** The beginning of something with rows and columns. All of it is a team's, and shown as text only. */
import { Badge, Box, Table, Text } from "@chakra-ui/react";
import type { ReactElement } from "react";

import { count } from "../shared/format";
import type { Grid } from "./answers";
import { shown } from "./places";

/**
 * Columns with what they hold, rows, and how much of it this is.
 *
 * @param about how many there are, roughly, where nobody has counted them
 */
export function Rows({ data, about = null }: { data: Grid; about?: number | null }): ReactElement {
  const left = [
    howMany(data, about),
    ...(data.columns_left_out > 0 ? [`${count(data.columns_left_out)} more columns`] : []),
  ];
  return (
    <>
      <Box aria-label="Rows" borderWidth={1} maxH="70vh" overflow="auto" role="region" tabIndex={0}>
        <Table.Root size="sm" stickyHeader>
          <Table.Header>
            <Table.Row bg="bg.subtle">
              {data.columns.map((column, number) => (
                <Table.ColumnHeader key={number} whiteSpace="nowrap">
                  {shown(column.name)}{" "}
                  <Badge fontWeight="normal" size="xs">
                    {column.type}
                  </Badge>
                </Table.ColumnHeader>
              ))}
            </Table.Row>
          </Table.Header>
          <Table.Body>
            {data.rows.map((row, number) => (
              <Table.Row key={number}>
                {row.map((cell, at) => (
                  <Table.Cell color={cell === null ? "fg.muted" : undefined} key={at} maxW="28rem" overflow="hidden" textOverflow="ellipsis" whiteSpace="nowrap">
                    {cell === null ? "–" : shown(cell)}
                  </Table.Cell>
                ))}
              </Table.Row>
            ))}
          </Table.Body>
        </Table.Root>
      </Box>
      <Text color="fg.muted" fontSize="sm">
        {left.join(", ")}
      </Text>
    </>
  );
}

function howMany({ rows, total_rows: total, more }: Grid, about: number | null): string {
  const shownRows = count(rows.length);
  if (total !== null) return `${shownRows} of ${count(total)} rows`;
  if (!more) return rows.length === 1 ? "1 row" : `${shownRows} rows`;
  return `the first ${shownRows} rows${about !== null && about > rows.length ? ` of about ${count(about)}` : ""}`;
}
