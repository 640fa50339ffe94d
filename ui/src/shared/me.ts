/** Who is signed in, what they may look at, and through which view this page does. */
import { ask } from "./api";

export type Team = {
  readonly name: string;
  readonly title: string;
  /** What the reader may do there: a role of the team's, or "admin" or "auditor". */
  readonly role: string;
};

export type Me = {
  readonly user: string;
  /** Who really looks, where this page is a read-only look through another user's eyes. */
  readonly seen_by: string | null;
  /** The team that everything on this page is narrowed to; null: all that the reader may see. */
  readonly view: string | null;
  /** Every team that the reader may see, by name. */
  readonly teams: readonly Team[];
  readonly platform_role: "admin" | "auditor" | "support" | null;
  /** Which of our pages have something for the reader. */
  readonly homes: ReadonlyArray<"artifacts" | "platform" | "team">;
  /** Whom to ask for a role; only for somebody who holds none. */
  readonly contact: string | null;
};

let asked: Promise<Me> | undefined;

/** Asked once for each page that is loaded: another view is another page. */
export const me = (): Promise<Me> => (asked ??= ask<Me>("/me"));
