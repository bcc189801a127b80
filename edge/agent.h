/*
 * agent.h - who says of itself that it is no visitor. Pure.
 */
#ifndef TRACEPOOL_EDGE_AGENT_H
#define TRACEPOOL_EDGE_AGENT_H

#include "common/str.h"

/*
 * The skip_reason of a User-Agent: "bot" for a declared crawler, "link_preview" for an application that looks
 * at a link somebody has sent, NULL for everybody else. curl, wget, libraries and an empty agent are
 * everybody else: what is no declaration is no proof.
 */
const char *agent_skip_reason(struct str user_agent);

#endif
