import { Box, Button, CloseButton, HStack, Link, Popover, Portal, Skeleton, Text } from "@chakra-ui/react";
import { useCallback, useEffect, useRef, useState, type ReactElement, type ReactNode } from "react";
import { useLocation } from "react-router-dom";

import { base } from "../shared/api";
import { me as askMe, type Me } from "../shared/me";
import { beside, choices, hasChoice, outside, remembered, stored, type Choice } from "./teams";
import { List } from "./List";
import { useSwitched } from "./useSwitched";

const KEYS = "Alt+M";

/** The bar above every page: whose view this is, and the way to another one. */
export function Switcher(): ReactElement | null {
  const [me, setMe] = useState<Me>();
  const [failed, setFailed] = useState(false);
  useEffect(() => {
    askMe().then(setMe, () => setFailed(true));
  }, []);
  if (failed) return null;
  if (me === undefined) {
    return (
      <Bar>
        <Skeleton aria-hidden="true" height={5} width={40} />
      </Bar>
    );
  }
  return (
    <>
      {me.contact === null ? null : <Newcomer contact={me.contact} />}
      {me.seen_by === null && me.teams.length === 0 && me.platform_role === null ? null : <Full me={me} />}
    </>
  );
}

function Bar({ children }: { children: ReactNode }): ReactElement {
  return (
    <HStack
      aria-label="Team"
      as="nav"
      bg="bg.subtle"
      borderBottomWidth={1}
      data-testid="airspace-bar"
      flexShrink={0}
      gap={3}
      mb={3}
      minHeight={10}
      mt={-3}
      mx={-3}
      px={3}
      py={1}
      wrap="wrap"
    >
      {children}
    </HStack>
  );
}

function Full({ me }: { me: Me }): ReactElement {
  const switched = useSwitched(me);
  const recent = useRecent(me);
  const shown = me.teams.find(({ name }) => name === me.view);
  const everything = me.platform_role === null ? "All my teams" : "All teams";
  return (
    <Bar>
      {hasChoice(me) ? (
        <Chooser label={shown?.title ?? everything} me={me} recent={recent} />
      ) : (
        <Text fontSize="sm" fontWeight="semibold" truncate>
          {shown?.title ?? me.teams[0]?.title ?? everything}
        </Text>
      )}
      {shown === undefined ? null : (
        <Text color="fg.muted" fontSize="xs" title="Your role in this team">
          {shown.role}
        </Text>
      )}
      <Beside me={me} recent={recent} />
      <Box aria-live="polite" color="fg.muted" fontSize="sm" role="status">
        {switched}
      </Box>
      {me.seen_by === null ? null : (
        <Text fontSize="sm" ml="auto">
          You see what <b>{me.user}</b> sees, and change nothing.{" "}
          <Link href={`${base().replace(/\/as\/.*$/u, "")}/`} textDecoration="underline">
            Leave
          </Link>
        </Text>
      )}
    </Bar>
  );
}

/** Another team by one click; on a phone there is no room for it. */
function Beside({ me, recent }: { me: Me; recent: readonly string[] }): ReactElement {
  const { pathname } = useLocation();
  return (
    <HStack gap={1} hideBelow="md" minWidth={0}>
      {beside(me, recent, { base: base(), path: pathname }).map(({ id, href, note, title }) => {
        const words = `Change to ${title}${note === "" ? "" : ` (${note})`}`;
        return (
          <Button asChild flexShrink={1} key={id} maxWidth={48} minWidth={0} px={2} size="xs" variant="ghost">
            <a aria-label={words} href={href} title={words}>
              <Text as="span" truncate>
                {title}
              </Text>
            </a>
          </Button>
        );
      })}
    </HStack>
  );
}

function Chooser({ me, label, recent }: { me: Me; label: string; recent: readonly string[] }): ReactElement {
  const [open, setOpen] = useState(false);
  const { pathname } = useLocation();
  const field = useRef<HTMLInputElement>(null);
  const find = useCallback((typed: string) => choices(me, typed, recent, { base: base(), path: pathname }), [me, recent, pathname]);

  useEffect(() => {
    const onKey = (event: globalThis.KeyboardEvent): void => {
      if (!event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
      if (event.code !== "KeyM" && event.key.toLowerCase() !== "m") return;
      event.preventDefault();
      setOpen((before) => !before);
    };
    document.addEventListener("keydown", onKey);
    return () => document.removeEventListener("keydown", onKey);
  }, []);

  const pick = useCallback((choice: Choice, elsewhere: boolean): void => {
    setOpen(false);
    if (elsewhere) globalThis.open(choice.href, "_blank", "noopener");
    else if (!choice.current) globalThis.location.assign(choice.href);
  }, []);

  return (
    <Popover.Root
      initialFocusEl={() => field.current}
      lazyMount
      onOpenChange={(change) => setOpen(change.open)}
      open={open}
      positioning={{ placement: "bottom-start" }}
      unmountOnExit
    >
      <Popover.Trigger asChild>
        <Button aria-keyshortcuts={KEYS} aria-label={`${label}: change the team`} maxWidth="70vw" size="xs" title={`Change the team (${KEYS})`} variant="outline">
          <Text as="span" truncate>
            {label}
          </Text>
          <span aria-hidden="true">▾</span>
        </Button>
      </Popover.Trigger>
      <Portal>
        <Popover.Positioner>
          <Popover.Content aria-label="Change the team" maxWidth="calc(100vw - 1rem)" width="24rem">
            <Popover.Body p={2}>
              <List field={field} find={find} pick={pick} />
            </Popover.Body>
          </Popover.Content>
        </Popover.Positioner>
      </Portal>
    </Popover.Root>
  );
}

/** The teams looked at last, as this browser remembers them; this page's is among them from now on. */
function useRecent(me: Me): readonly string[] {
  const [recent] = useState(() => {
    const place = `airspace.recent.${me.user}`;
    try {
      const before = stored(localStorage.getItem(place));
      const now = me.view === null || me.seen_by !== null ? before : remembered(before, me.view);
      localStorage.setItem(place, JSON.stringify(now));
      return now;
    } catch {
      return []; // a browser that stores nothing
    }
  });
  return recent;
}

function Newcomer({ contact }: { contact: string }): ReactElement {
  const [closed, setClosed] = useState(false);
  if (closed) return <></>;
  return (
    <HStack bg="bg.info" borderBottomWidth={1} color="fg" flexShrink={0} mb={3} mt={-3} mx={-3} px={4} py={3} role="status">
      <Text flex={1}>
        <strong>You are in no team yet, so there is nothing to see here. </strong>
        {contact}{" "}
        <Link href={`${outside(base())}/auth/no-team`} textDecoration="underline">
          What they do
        </Link>
      </Text>
      <CloseButton aria-label="Close" onClick={() => setClosed(true)} size="xs" />
    </HStack>
  );
}
