/* Numbers of the kernel's interface. They are part of its stable interface and
 * stand here because musl-gcc looks only at musl's own headers, which do not have
 * them; the header of the kernel that defines each is named. */
#ifndef CLIENT_LINUX_NUMBERS_H
#define CLIENT_LINUX_NUMBERS_H

#define LINUX_TMPFS_MAGIC 0x01021994u /* linux/magic.h: TMPFS_MAGIC */

#define LINUX_FUTEX_WAIT 0 /* linux/futex.h: FUTEX_WAIT, between processes */
#define LINUX_FUTEX_WAKE 1 /* and FUTEX_WAKE */

#define LINUX_MEMBARRIER_GLOBAL 1 /* linux/membarrier.h: MEMBARRIER_CMD_GLOBAL */

#endif
