import { Box, Input } from "@chakra-ui/react";
import { memo, useEffect, useId, useMemo, useRef, useState, type KeyboardEvent, type ReactElement, type RefObject } from "react";

import { MOST, type Choice } from "./teams";

const PAGE = 8;

// One set of rules for all lines: a styled component for each of hundreds of them would be felt while typing.
const LINES = {
  maxHeight: "min(60vh, 26rem)",
  overflowY: "auto",
  overscrollBehavior: "contain",
  "& [role=option]": { alignItems: "center", borderRadius: "sm", cursor: "pointer", display: "flex", gap: 2, paddingX: 2, paddingY: 1.5 },
  "& [role=option][aria-selected=true]": { background: "bg.emphasized" },
  "& [data-title]": { overflow: "hidden", textOverflow: "ellipsis", whiteSpace: "nowrap" },
  "& [data-current] [data-title]": { fontWeight: "semibold" },
  "& [data-note]": { color: "fg.muted", fontSize: "xs", marginLeft: "auto", whiteSpace: "nowrap" },
  "& [data-group]": { color: "fg.muted", fontSize: "xs", fontWeight: "medium", paddingBottom: 1, paddingTop: 2, paddingX: 2 },
} as const;

const Line = memo(function Line({ choice, id, active }: { choice: Choice; id: string; active: boolean }): ReactElement {
  const note = [choice.note, choice.role].filter(Boolean).join(" · ");
  return (
    <div aria-selected={active} data-choice={choice.id} data-current={choice.current || undefined} id={id} role="option">
      <span aria-hidden="true" style={{ flexShrink: 0, width: "1em" }}>
        {choice.current ? "✓" : ""}
      </span>
      <span data-title>{choice.title}</span>
      {choice.current ? <span style={HIDDEN}>, shown now</span> : null}
      {note === "" ? null : <span data-note>{note}</span>}
    </div>
  );
});

const HIDDEN = { height: 1, overflow: "hidden", position: "absolute", width: 1, clipPath: "inset(50%)" } as const;

/**
 * The field to type in and the lines below it: a combobox, of which the list is always open.
 *
 * @param find the lines for what is typed
 * @param pick called with the chosen one, and whether it is to be another tab's
 */
export function List(props: {
  find: (typed: string) => Choice[];
  pick: (choice: Choice, elsewhere: boolean) => void;
  field: RefObject<HTMLInputElement | null>;
}): ReactElement {
  const { find, pick, field } = props;
  const [typed, setTyped] = useState("");
  // As with the keys that change windows: what Enter does at once is to go back to where one was before.
  const [active, setActive] = useState(() => Math.max(0, find("").findIndex(({ current, group }) => !current && group !== "")));
  const own = useId();
  const lines = useRef<HTMLDivElement>(null);
  const found = useMemo(() => find(typed), [find, typed]);
  const shown = found.slice(0, MOST);
  const idOf = (at: number): string => `${own}-${at}`;

  useEffect(() => {
    lines.current?.querySelector("[aria-selected=true]")?.scrollIntoView({ block: "nearest" });
  }, [active, found]);

  const onKeyDown = (event: KeyboardEvent): void => {
    const steps: Record<string, number> = { ArrowDown: 1, ArrowUp: -1, PageDown: PAGE, PageUp: -PAGE };
    const step = steps[event.key];
    const chosen = shown[active];
    if (step !== undefined && shown.length > 0) {
      event.preventDefault();
      const next = active + step;
      const around = (next + shown.length) % shown.length;
      setActive(Math.abs(step) === 1 ? around : Math.max(0, Math.min(shown.length - 1, next)));
    } else if (event.key === "Enter" && chosen !== undefined) {
      event.preventDefault();
      pick(chosen, event.metaKey || event.ctrlKey);
    }
  };

  const at = (target: EventTarget): number => {
    const line = (target as Element).closest("[data-choice]");
    return shown.findIndex(({ id }) => id === line?.getAttribute("data-choice"));
  };

  return (
    <Box onKeyDown={onKeyDown}>
      <Input
        aria-activedescendant={shown.length > 0 ? idOf(active) : undefined}
        aria-autocomplete="list"
        aria-controls={own}
        aria-expanded="true"
        aria-label="Find a team"
        autoComplete="off"
        onChange={(event) => {
          setTyped(event.target.value);
          setActive(0);
        }}
        placeholder="Find a team"
        ref={field}
        role="combobox"
        size="sm"
        spellCheck={false}
        value={typed}
      />
      <Box
        aria-label="Teams"
        css={LINES}
        id={own}
        mt={2}
        onAuxClick={(event) => {
          const chosen = shown[at(event.target)];
          if (chosen !== undefined && event.button === 1) pick(chosen, true);
        }}
        onClick={(event) => {
          const chosen = shown[at(event.target)];
          if (chosen !== undefined) pick(chosen, event.metaKey || event.ctrlKey);
        }}
        onMouseMove={(event) => {
          const over = at(event.target);
          if (over >= 0 && over !== active) setActive(over);
        }}
        ref={lines}
        role="listbox"
      >
        {shown.map((choice, place) => [
          choice.group !== "" && choice.group !== shown[place - 1]?.group ? (
            <div data-group key={choice.group} role="presentation">
              {choice.group}
            </div>
          ) : null,
          <Line active={place === active} choice={choice} id={idOf(place)} key={choice.id} />,
        ])}
      </Box>
      <Box aria-live="polite" color="fg.muted" fontSize="xs" px={2} role="status">
        {summary(found.length, typed)}
      </Box>
    </Box>
  );
}

function summary(found: number, typed: string): string {
  if (found > MOST) return `The first ${MOST} of ${found}: type more of the name`;
  if (typed.trim() === "") return "";
  return found === 0 ? "No team of yours is called so" : `${found} found`;
}
