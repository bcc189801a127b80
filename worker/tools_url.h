/*
 * tools_url.h - the verbs `url` and `refresh`: look at one piece, as a browser would read it.
 *
 *     tracepool-worker url [--base URL] INPUT   its parts, its parameters, and what the guard says
 *     tracepool-worker url --stdin              {"input": ..., "base": ...} a line: the URL, or `failure`
 *     tracepool-worker refresh VALUE            when, and where to
 *     tracepool-worker refresh --stdin          {"input": ...} a line: `delay<TAB>url`, or `none`
 *
 * argv[0] is the verb. Both return the exit code: 0, 1 when it is no URL or no refresh, 2 usage (also: a
 * line that is not such an object). With --stdin, `failure` and `none` are answers and not errors.
 */
#ifndef TRACEPOOL_WORKER_TOOLS_URL_H
#define TRACEPOOL_WORKER_TOOLS_URL_H

int tool_url(int argc, char **argv);
int tool_refresh(int argc, char **argv);

#endif
