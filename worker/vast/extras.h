/*
 * extras.h - what a provider's documents hold beside VAST: the results of its XPaths.
 *
 * Elements are matched by local name, as everywhere here: namespaces are taken off the tree before it is
 * asked.
 */
#ifndef TRACEPOOL_WORKER_VAST_EXTRAS_H
#define TRACEPOOL_WORKER_VAST_EXTRAS_H

#include "worker/vast/provider.h"

/*
 * {"name": ["text", ...]} for each of the provider's extras, in the document's order; at most 100 texts each,
 * of at most 4 KiB. An expression that cannot be evaluated, or takes too many steps, gives null. Never NULL;
 * the caller owns it.
 */
NODISCARD json_t *vast_extras_json(struct str bytes, const struct vast_provider *provider);

#endif
