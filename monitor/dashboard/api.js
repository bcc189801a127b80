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

// Server-sent events of a call, as {event, data}, until the stream ends or the signal. fetch instead of EventSource,
// because the token belongs in a header.
async function* events(path, signal) {
  const reader = (await request(path, {}, signal)).body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const blocks = (rest + value).split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) {
      const fields = Object.fromEntries(block.split("\n").filter((line) => !line.startsWith(":")).map((line) => line.split(/: ?(.*)/s)));
      if (fields.data) yield { event: fields.event || "message", data: JSON.parse(fields.data) };
    }
  }
}

// Whether the monitor lets us in: the first word of the stream, and then no more of it.
export async function knock() {
  const attempt = new AbortController();
  await request("changes", {}, attempt.signal);
  attempt.abort();
}

// Listens for news only while somebody looks at the page: a hidden one lets go of the stream.
async function listen(onVersion, signal) {
  const attempt = new AbortController(), stop = () => attempt.abort(), hide = () => document.hidden && stop();
  signal.addEventListener("abort", stop);
  document.addEventListener("visibilitychange", hide);
  try {
    for await (const { event, data } of events("changes", attempt.signal)) if (event === "version") await onVersion(data.version);
  } catch (error) {
    if (!attempt.signal.aborted) throw error;
  } finally {
    signal.removeEventListener("abort", stop);
    document.removeEventListener("visibilitychange", hide);
  }
  return attempt.signal.aborted;
}

// Calls onChange(version) each time that there is something new, and onState("live" | "lost"), until the signal.
export async function watch({ onChange, onState, onUnauthorised, signal }) {
  let since = "", wait = 500;
  while (!signal.aborted) {
    try {
      const wasOurs = await listen(async (version) => {
        wait = 500;
        onState("live");
        if (since && version !== since) await onChange(version);
        since = version;
      }, signal);
      if (!wasOurs) throw new Error("the stream has ended");
    } catch (error) {
      if (error instanceof Unauthorised) return onUnauthorised(error);
      onState("lost");
      since = "lost"; // whatever comes next is news
      await pause(wait);
      wait = Math.min(wait * 2, 10000);
    }
    if (document.hidden) await new Promise((done) => document.addEventListener("visibilitychange", done, { once: true, signal }));
  }
}
