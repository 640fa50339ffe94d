/** Asking the platform. Everything goes below the page's own base address, so the view in it goes along. */

/** The path below which this page and all it asks for lie, without a slash at its end: "", "/airflow", "/t/sales" … */
export const base = (): string => new URL(document.baseURI).pathname.replace(/\/+$/u, "");

/** What the platform says no with. */
export class ApiError extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/**
 * One answer of ours, below `/airspace/api`.
 *
 * @param path with a leading slash, for instance `/me`
 * @throws ApiError on any other answer than a good one. A session that has ended leads to the sign-in page.
 */
export async function ask<T>(path: string, init: RequestInit = {}): Promise<T> {
  const headers = { accept: "application/json", ...init.headers };
  const answer = await fetch(`${base()}/airspace/api${path}`, { credentials: "same-origin", ...init, headers });
  if (answer.status === 401) {
    const { pathname, search, hash } = globalThis.location;
    const next = new URLSearchParams({ next: `${pathname}${search}${hash}` });
    globalThis.location.replace(`${base()}/api/v2/auth/login?${next.toString()}`);
  }
  if (!answer.ok) throw new ApiError(answer.status, await problemIn(answer));
  return (await answer.json()) as T;
}

async function problemIn(answer: Response): Promise<string> {
  try {
    const { detail } = (await answer.json()) as { detail?: unknown };
    if (typeof detail === "string") return detail;
  } catch {
    // No JSON: a proxy's page, or nothing at all.
  }
  return `The platform answered ${answer.status} ${answer.statusText}`.trim();
}
