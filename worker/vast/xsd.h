/*
 * xsd.h - what IAB's schemas say about a document: advice, never a reason to refuse it.
 *
 * Most documents of real ad servers do not validate (empty or templated URLs, another order, no namespace),
 * so error 101 comes from the structure alone. The folder holds the schemas as IAB publishes them: any *.xsd,
 * taken for the version whose number is the first in its name (vast_4.2.xsd, vast4.xsd, vast3_draft.xsd).
 */
#ifndef TRACEPOOL_WORKER_VAST_XSD_H
#define TRACEPOOL_WORKER_VAST_XSD_H

#include "worker/vast/lint.h"

struct vast_xsd;

/* Reads the names of the folder; a schema itself when it is first needed. NULL with ERR_IO. */
NODISCARD struct vast_xsd *vast_xsd_open(const char *dir, struct err *err);
/* Accepts NULL. */
void vast_xsd_close(struct vast_xsd *x);

/*
 * Adds a finding of the rule xsd for each thing that the schema of the declared version does not allow, at
 * most 50 of them; or one that says why it was not asked (no such schema, or none that can be read).
 */
NODISCARD bool vast_xsd_check(struct vast_xsd *x, struct arena *a, struct str bytes,
                              const struct vast_doc *doc, struct vast_findings *findings, struct err *err);

DEFINE_SCOPED_PTR(vast_xsd, struct vast_xsd, vast_xsd_close)

#endif
