// api.js - calls of the monitor. The token lives in this tab (sessionStorage) and travels in a header, never in an URL.

const KEY = "tracepool.token";

export class Unauthorised extends Error {}

export const token = {
  get: () => sessionStorage.getItem(KEY) || "",
  set: (value) => sessionStorage.setItem(KEY, value),
  forget: () => sessionStorage.removeItem(KEY),
};

async function request(path, fields, signal) {
  const query = new URLSearchParams(Object.entries(fields || {}).filter(([, value]) => value !== undefined && value !== null && value !== ""));
  const headers = token.get() ? { Authorization: `Bearer ${token.get()}` } : {};
  const answer = await fetch(`/dashboard/v1/${path}${query.size ? `?${query}` : ""}`, { headers, signal, cache: "no-store" });
  if (answer.status === 401) throw new Unauthorised("The token was not accepted.");
  if (!answer.ok) {
    const said = await answer.json().catch(() => ({}));
    throw Object.assign(new Error(said.error || `The monitor answered ${answer.status}.`), { status: answer.status });
  }
  return answer;
}

export async function call(path, fields, signal) {
  return (await request(path, fields, signal)).json();
}

// A piece of evidence as a Blob.
export async function evidence(fields) {
  return (await request("evidence", fields)).blob();
}

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

// Calls onChange(version) each time that there is something new, and onState("live" | "lost"), until the signal.
export async function watch({ onChange, onState, onUnauthorised, signal }) {
  let since = "", wait = 500;
  while (!signal.aborted) {
    try {
      const { version } = await call("changes", { since }, signal);
      wait = 500;
      onState("live");
      if (version === since) await pause(1000); // nothing new, or too many wait: no hurry
      else if (since) await onChange(version);
      since = version;
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof Unauthorised) return onUnauthorised(error);
      onState("lost");
      since = "lost"; // whatever comes next is news
      await pause(wait);
      wait = Math.min(wait * 2, 10000);
    }
    if (document.hidden) await new Promise((done) => document.addEventListener("visibilitychange", done, { once: true, signal }));
  }
}
