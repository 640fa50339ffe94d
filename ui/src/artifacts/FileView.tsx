/** One file: what its beginning looks like, in the way that suits it. All of it is a team's, and shown as data only. */
import { Box, Button, Code, Heading, HStack, Image, Stack, Text } from "@chakra-ui/react";
import type { ReactElement } from "react";

import { base } from "../shared/api";
import { ago, moment, size } from "../shared/format";
import { Failed, Loading } from "../shared/states";
import { useAsk } from "../shared/useAsk";
import type { Preview } from "./answers";
import { asked, shown } from "./places";
import { Rows } from "./Rows";

/** A file of a team's, at a place. */
export function FileView({ team, at, name }: { team: string; at: string; name: string }): ReactElement {
  const { data, error, again } = useAsk<Preview>(asked(team, "preview", at));
  const address = (what: string): string => `${base()}/airspace/api${asked(team, what, at)}`;
  const when = data ? new Date(data.modified * 1000).toISOString() : "";
  return (
    <Stack gap={3} minW={0}>
      <HStack flexWrap="wrap" gap={3}>
        <Heading as="h2" flex={1} minW="12rem" overflowWrap="anywhere" size="md">
          <bdi>{shown(name)}</bdi>
        </Heading>
        {data?.kind === "page" || (data?.kind === "image" && !/\.svg$/iu.test(name)) ? (
          <Button asChild size="sm" variant="outline">
            <a href={address("open")} rel="noopener noreferrer" target="_blank">
              Open by itself
            </a>
          </Button>
        ) : null}
        <Button asChild size="sm" variant="outline">
          <a download href={address("download")}>
            Download
          </a>
        </Button>
      </HStack>
      <Text color="fg.muted" fontSize="sm" overflowWrap="anywhere">
        <bdi>{shown(at)}</bdi>
        {data ? (
          <>
            {" · "}
            {size(data.bytes)}
            {" · "}
            <time dateTime={when} title={moment(when)}>
              {ago(when)}
            </time>
          </>
        ) : null}
      </Text>
      {error ? <Failed again={again} error={error} /> : data ? <Shown data={data} name={name} src={address("open")} /> : <Loading lines={8} what="Looking at the file" />}
    </Stack>
  );
}

function Shown({ data, name, src }: { data: Preview; name: string; src: string }): ReactElement {
  switch (data.kind) {
    case "table":
      return <Rows data={data} />;
    case "text":
      return (
        <>
          <Code aria-label="Text" as="pre" display="block" maxH="70vh" overflow="auto" p={3} role="region" tabIndex={0} whiteSpace="pre">
            {data.text}
          </Code>
          {data.more ? <Text color="fg.muted">This is the beginning. Download it to see all of it.</Text> : null}
        </>
      );
    case "image":
      return <Image alt={`The picture ${shown(name)}`} bg="white" borderWidth={1} maxW="100%" src={src} w="fit-content" />;
    case "page":
      return (
        <Box bg="white" borderWidth={1} h={{ base: "70vh", md: "78vh" }}>
          {/* No scripts, no origin: the answer's own headers say the same, for whoever opens it by its address. */}
          <iframe referrerPolicy="no-referrer" sandbox="" src={src} style={{ height: "100%", width: "100%" }} title={`The page ${shown(name)}`} />
        </Box>
      );
    default:
      return <Text>{data.note || "There is nothing here that can be shown."}</Text>;
  }
}
