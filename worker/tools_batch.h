/*
 * tools_batch.h - the verb `run-batch`: ask the farm for one batch and wait for its result.
 *
 *     tracepool-worker run-batch BATCH_SIZE MAX_CONCURRENT
 *
 * For crontab. Prints the original's object on one line:
 *     {"success":true,"processed":10,"succeeded":9,"failed":1,"errors":["request-id: message"]}
 * Returns the exit code: 0 all succeeded (nothing to do as well), 1 some failed, 2 usage, 3 no answer:
 * no database, or no worker took the batch within worker.batch_answer_s.
 */
#ifndef TRACEPOOL_WORKER_TOOLS_BATCH_H
#define TRACEPOOL_WORKER_TOOLS_BATCH_H

#include "common/conf.h"

int tool_run_batch(const struct conf *conf, int argc, char **argv);

#endif
