/*
 * authorities.h - http.ca_file for Chromium: the certificate database that it looks for in its home folder.
 *
 * Beside the authorities that it knows, Chromium trusts those of the NSS database in $HOME/.pki/nssdb, and
 * checks names and dates of what they signed as it does for everybody. So nothing is weakened, and hosts of
 * other authorities are judged as before. The database is made by certutil (Debian: libnss3-tools).
 */
#ifndef TRACEPOOL_WORKER_BROWSER_AUTHORITIES_H
#define TRACEPOOL_WORKER_BROWSER_AUTHORITIES_H

#include "common/buf.h"
#include "common/err.h"

enum { AUTHORITIES_MAX_BYTES = 1024 * 1024 };

/* The worker's side, which may read what the browser's user may not: the whole file. ERR_MODE_UNAVAILABLE. */
NODISCARD bool authorities_read(const char *file, struct buf *pem, struct err *err);

/*
 * The launcher's side, as the browser's user: a database in this empty folder, of every CERTIFICATE in pem;
 * other blocks (a key) are passed by. Waits for certutil. False when there is no certificate, or one that
 * certutil refuses, or no certutil.
 */
NODISCARD bool authorities_make(const char *folder, struct str pem);
/* Shows that folder's database to the Chromium with this home; the folder must outlive it. */
NODISCARD bool authorities_show(const char *folder, const char *home);

#endif
