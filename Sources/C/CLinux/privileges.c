#define _GNU_SOURCE
#include "privileges.h"

#include <sys/prctl.h>
#include <unistd.h>

int ffs_set_ids(unsigned int user, unsigned int group) {
    if (setresgid(group, group, group) != 0) return -1;
    return setresuid(user, user, user);
}

int ffs_no_new_privileges(void) { return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); }
