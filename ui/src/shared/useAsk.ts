import { useCallback, useEffect, useRef, useState } from "react";

import { ApiError, ask } from "./api";

/** What has been heard so far. `again` asks anew; what was known stays until the next answer. */
export type Heard<T> = {
  readonly data: T | undefined;
  readonly error: Error | undefined;
  readonly again: () => void;
};

/**
 * Ask for something while a component is there, and again every so often while its page is seen.
 *
 * @param path as for {@link ask}; null asks nothing yet
 * @param every milliseconds; 0 asks once
 */
export function useAsk<T>(path: string | null, every = 0): Heard<T> {
  const [heard, setHeard] = useState<{ path: string | null; data?: T; error?: Error }>({ path: null });
  const [round, setRound] = useState(0);
  const again = useCallback(() => setRound((before) => before + 1), []);
  const last = useRef(0);

  useEffect(() => {
    if (path === null) return undefined;
    const stop = new AbortController();
    last.current = Date.now();
    ask<T>(path, { signal: stop.signal })
      .then((data) => setHeard({ path, data }))
      .catch((problem: unknown) => {
        if (stop.signal.aborted) return;
        const error = problem instanceof Error ? problem : new ApiError(0, String(problem));
        setHeard((before) => (before.path === path ? { ...before, error } : { path, error }));
      });
    return () => stop.abort();
  }, [path, round]);

  useEffect(() => {
    if (every <= 0) return undefined;
    const look = (): void => {
      if (!document.hidden && Date.now() - last.current >= every) again();
    };
    const timer = setInterval(look, every);
    document.addEventListener("visibilitychange", look);
    return () => {
      clearInterval(timer);
      document.removeEventListener("visibilitychange", look);
    };
  }, [every, again]);

  const current = heard.path === path;
  return { data: current ? heard.data : undefined, error: current ? heard.error : undefined, again };
}
